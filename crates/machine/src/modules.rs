//! Options of the helpers' modules, from `/sys/module`.

use kinwall_topology::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The options of every loaded (or built in) module `nf_conntrack_NAME`, by module. Options that
/// only root may read are left out. Modules are the machine's: network namespaces share them.
pub fn modules() -> BTreeMap<String, BTreeMap<String, Value>> {
    let Ok(entries) = std::fs::read_dir("/sys/module") else { return BTreeMap::new() };
    let names =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let helpers = names.filter(|name| name.starts_with("nf_conntrack_"));
    let all = helpers.map(|name| {
        let options = options(&Path::new("/sys/module").join(&name).join("parameters"));
        (name, options)
    });
    all.filter(|(_, options)| !options.is_empty()).collect()
}

fn options(directory: &Path) -> BTreeMap<String, Value> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeMap::new() };
    let each = entries.filter_map(Result::ok).filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let text = std::fs::read_to_string(entry.path()).ok()?;
        let value = value(&name, text.trim())?;
        Some((name, value))
    });
    each.collect()
}

/// A parameter as the kernel prints it: `Y` and `N` are truth, commas stand between the ports.
fn value(name: &str, text: &str) -> Option<Value> {
    let number = |text: &str| text.trim().parse().ok().map(Value::Integer);
    match text {
        "Y" => Some(Value::Bool(true)),
        "N" => Some(Value::Bool(false)),
        "" | "(null)" => None,
        _ if name == "ports" => text.split(',').map(number).collect::<Option<_>>().map(Value::List),
        _ => number(text).or_else(|| Some(Value::Text(text.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_the_kernel_prints_them() {
        let ports =
            |ports: &[i64]| Some(Value::List(ports.iter().map(|p| Value::Integer(*p)).collect()));
        let rows = [
            ("loose", "N", Some(Value::Bool(false))),
            ("callforward_filter", "Y", Some(Value::Bool(true))),
            ("ports", "21", ports(&[21])),
            ("ports", "21,2121", ports(&[21, 2121])),
            ("ports", "21,ftp", None),
            ("sip_timeout", "3600", Some(Value::Integer(3600))),
            ("ts_algo", "kmp", Some(Value::Text("kmp".into()))),
            ("ts_algo", "(null)", None),
        ];
        for (name, text, expected) in rows {
            assert_eq!(value(name, text), expected, "{name}={text}");
        }
    }
}
