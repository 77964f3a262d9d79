//! The file that `-config` names: TOML, flat, with underscores for dashes.

use std::path::Path;

use super::Options;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Writes what the file says over `options`. Names that do not exist are refused, all at once.
pub(super) fn read<O: Options>(
    path: &Path,
    options: &mut O,
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("cannot read it: {error}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("it has {bytes} bytes, the limit is {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
    write(&text, options, remarks)
}

/// The pure part of [`read`].
pub(super) fn write<O: Options>(
    text: &str,
    options: &mut O,
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|error| format!("this is not TOML: {error}"))?;
    let mut problems = Vec::new();
    for (name, value) in &table {
        let Some(flag) = O::flags().iter().find(|flag| flag.file_name() == name.as_str()) else {
            problems.push(format!("there is no option `{name}`"));
            continue;
        };
        remarks.extend(flag.remark());
        if let Some(slot) = flag.value_mut(options)
            && let Err(error) = slot.set_toml(value)
        {
            problems.push(format!("{name}: {error}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}
