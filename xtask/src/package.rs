//! `cargo xtask package`: the program, its manual, completions, unit and configuration as a
//! package for Debian, put together by `dpkg-deb`.

use crate::command::{cargo, exists, output, run};
use crate::{Outcome, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What must be in the package; each is there because somebody looks for it.
const CONTENTS: &[&str] = &[
    "./etc/kinwall/kinwall.toml",
    "./usr/bin/kinwall",
    "./usr/lib/systemd/system/kinwall.service",
    "./usr/share/bash-completion/completions/kinwall",
    "./usr/share/doc/kinwall/changelog.gz",
    "./usr/share/doc/kinwall/copyright",
    "./usr/share/fish/vendor_completions.d/kinwall.fish",
    "./usr/share/man/man1/kinwall-run.1.gz",
    "./usr/share/man/man1/kinwall.1.gz",
    "./usr/share/man/man5/kinwall.toml.5.gz",
    "./usr/share/zsh/vendor-completions/_kinwall",
];

/// `cargo xtask package [--debug]`.
pub(crate) fn run_task(arguments: &[String]) -> Outcome {
    let profile = match arguments {
        [] => "release",
        [debug] if debug == "--debug" => "debug",
        _ => return Err("takes --debug, or nothing".into()),
    };
    let mut build = vec!["build", "--package", "kinwall"];
    build.extend((profile == "release").then_some("--release"));
    run(cargo(&build))?;
    let program = workspace::target().join(profile).join("kinwall");
    let package = put_together(&program)?;
    check(&package)?;
    println!("{}", package.display());
    Ok(())
}

fn put_together(program: &Path) -> Result<PathBuf, String> {
    let tree = workspace::target().join("package/tree");
    let _ = fs::remove_dir_all(&tree);
    let files = workspace::root().join("packaging");
    let put = |from: &Path, to: &str, mode: u32| put(from, &tree.join(to), mode);
    put(program, "usr/bin/kinwall", 0o755)?;
    run(strip(&tree.join("usr/bin/kinwall")))?;
    put(&files.join("kinwall.service"), "usr/lib/systemd/system/kinwall.service", 0o644)?;
    put(&files.join("kinwall.toml"), "etc/kinwall/kinwall.toml", 0o644)?;
    put(&files.join("kinwall.toml.5"), "usr/share/man/man5/kinwall.toml.5", 0o644)?;
    put(&workspace::root().join("CHANGELOG.md"), "usr/share/doc/kinwall/changelog", 0o644)?;
    generate(program, &tree)?;
    write(&tree.join("usr/share/doc/kinwall/copyright"), &copyright())?;
    write(&tree.join("DEBIAN/conffiles"), "/etc/kinwall/kinwall.toml\n")?;
    for script in ["postinst", "prerm", "postrm"] {
        put(&files.join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    compress(
        &["share/man/man1", "share/man/man5", "share/doc/kinwall/changelog"]
            .map(|path| tree.join("usr").join(path)),
    )?;
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--print-architecture");
    let architecture = output(dpkg)?;
    let architecture = String::from_utf8_lossy(&architecture).trim().to_owned();
    write(&tree.join("DEBIAN/control"), &control(&architecture))?;
    let name = format!("package/kinwall_{VERSION}_{architecture}.deb");
    let package = workspace::target().join(name);
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&tree).arg(&package);
    run(build)?;
    Ok(package)
}

/// All crates have one version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn control(architecture: &str) -> String {
    format!(
        "Package: kinwall\nVersion: {VERSION}\nArchitecture: {architecture}\n\
         Maintainer: the kinwall project <https://github.com/kinwall/kinwall>\n\
         Section: net\nPriority: optional\n\
         Depends: libc6, libgcc-s1, iptables\nRecommends: conntrack, ipset, nftables\n\
         Homepage: https://github.com/kinwall/kinwall\n\
         Description: firewall that knows its kin\n \
         A stateful firewall with connection tracking helpers: a live gateway over the\n \
         kernel's packet queue, a replay of captures that explains every verdict, and\n \
         tools that generate, audit and prove rule sets.\n"
    )
}

fn copyright() -> String {
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
     Upstream-Name: kinwall\nSource: https://github.com/kinwall/kinwall\n\n\
     Files: *\nCopyright: the kinwall authors\nLicense: MIT or Apache-2.0\n\n\
     License: MIT or Apache-2.0\n On Debian systems the Apache licence is in\n \
     /usr/share/common-licenses/Apache-2.0; the MIT licence is in LICENSE-MIT of the source.\n"
        .to_owned()
}

/// Manual pages and completions, written by the program itself.
fn generate(program: &Path, tree: &Path) -> Outcome {
    let made = |kind: &str| {
        let folder = tree.join("..").join(kind);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["generate", kind]).arg(&folder);
        run(command)?;
        Ok::<PathBuf, String>(folder)
    };
    let pages = made("man")?;
    for page in fs::read_dir(&pages).map_err(|error| error.to_string())?.flatten() {
        put(&page.path(), &tree.join("usr/share/man/man1").join(page.file_name()), 0o644)?;
    }
    let completions = made("completions")?;
    for (name, to) in [
        ("kinwall.bash", "usr/share/bash-completion/completions/kinwall"),
        ("_kinwall", "usr/share/zsh/vendor-completions/_kinwall"),
        ("kinwall.fish", "usr/share/fish/vendor_completions.d/kinwall.fish"),
    ] {
        put(&completions.join(name), &tree.join(to), 0o644)?;
    }
    Ok(())
}

/// Looks at the package as who installs it would.
fn check(package: &Path) -> Outcome {
    let mut list = Command::new("dpkg-deb");
    list.arg("--contents").arg(package);
    let list = String::from_utf8_lossy(&output(list)?).into_owned();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().last()).collect();
    for wanted in CONTENTS {
        if !names.contains(wanted) {
            return Err(format!("{wanted} is not in the package"));
        }
    }
    let tree = workspace::target().join("package/tree");
    let mut bash = Command::new("bash");
    let completion = tree.join("usr/share/bash-completion/completions/kinwall");
    bash.args(["-ec", "source \"$0\"; complete -p kinwall"]).arg(completion);
    run(bash)?;
    if exists("man") {
        for page in ["man1/kinwall.1.gz", "man1/kinwall-run.1.gz", "man5/kinwall.toml.5.gz"] {
            let mut man = Command::new("man");
            man.args(["--warnings", "-l"]).arg(tree.join("usr/share/man").join(page));
            man.env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8");
            let text = man.output().map_err(|error| error.to_string())?;
            if !text.stderr.is_empty() {
                return Err(format!("{page}: {}", String::from_utf8_lossy(&text.stderr)));
            }
        }
    }
    Ok(())
}

fn strip(program: &Path) -> Command {
    let mut command = Command::new("strip");
    command.arg(program);
    command
}

/// Without a time or a name in it: the same files make the same package.
fn compress(paths: &[PathBuf]) -> Outcome {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "--no-name", "--force", "--recursive"]).args(paths);
    run(gzip)
}

fn put(from: &Path, to: &Path, mode: u32) -> Outcome {
    let failed = |error| format!("{}: {error}", to.display());
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
    fs::copy(from, to).map_err(failed)?;
    fs::set_permissions(to, PermissionsExt::from_mode(mode)).map_err(failed)
}

fn write(to: &Path, text: &str) -> Outcome {
    let failed = |error| format!("{}: {error}", to.display());
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
    fs::write(to, text).map_err(failed)
}
