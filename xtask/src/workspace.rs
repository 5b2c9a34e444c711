//! Where the workspace is, and what cargo knows about it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where builds and generated files go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// `cargo metadata` of a workspace, with everything that its lock file names.
pub(crate) fn metadata(manifest: &Path) -> Result<Value, String> {
    let mut command = command::cargo(&["metadata", "--format-version", "1", "--manifest-path"]);
    command.arg(manifest);
    let text = command::output(command)?;
    serde_json::from_slice(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// The workspaces in this repository: the main one, and that of the fuzz targets.
pub(crate) fn manifests() -> Vec<PathBuf> {
    let candidates = ["Cargo.toml", "fuzz/Cargo.toml"].map(|path| root().join(path));
    candidates.into_iter().filter(|path| path.is_file()).collect()
}

/// The packages in the metadata.
pub(crate) fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().map_or(&[], Vec::as_slice)
}

/// A text field of a JSON object, or nothing.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
