//! What a text loses on its way: Go writes it as JSON, and yaml.v2 reads that JSON as YAML.

use std::borrow::Cow;

/// NEL (U+0085), of YAML 1.1's line breaks the one that Go's JSON leaves bare.
const NEL: char = '\u{85}';

/// The text as yaml.v2 has it after that (`yaml_parser_scan_flow_scalar`): NELs are folded like the
/// line breaks of a quoted YAML text. Spaces around them go, a single one becomes a space, of
/// several each but the first a line feed.
pub(super) fn passed_through(text: &str) -> Cow<'_, str> {
    if !text.contains(NEL) {
        return Cow::Borrowed(text);
    }
    let mut passed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((line, after)) = rest.split_once(NEL) {
        passed.push_str(line.trim_end_matches(' '));
        let next = after.trim_start_matches([' ', NEL]);
        let further = after[..after.len() - next.len()].matches(NEL).count();
        if further == 0 {
            passed.push(' ');
        } else {
            passed.extend(std::iter::repeat_n('\n', further));
        }
        rest = next;
    }
    passed.push_str(rest);
    Cow::Owned(passed)
}
