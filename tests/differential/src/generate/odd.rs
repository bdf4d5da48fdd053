//! Text that serializers stumble over.

use crate::dice::Dice;

/// YAML 1.1 words and numbers that are text, quoting, white space, line ends, control characters,
/// scripts.
const TEXTS: &[&str] = &[
    "",
    " ",
    "plain",
    "two words",
    "yes",
    "no",
    "on",
    "Off",
    "y",
    "N",
    "true",
    "False",
    "null",
    "~",
    "Null",
    "0",
    "1",
    "-1",
    "+1",
    "007",
    "0o7",
    "0x1F",
    "0b11",
    "1_000",
    "1.5",
    "1e3",
    "1E400",
    ".5",
    "-.inf",
    ".NaN",
    "12:30:45",
    "190:20:30.15",
    "2001-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "=",
    "<<",
    "<",
    "-",
    "--",
    "---",
    "...",
    "--- x",
    "- a",
    "-a",
    "? a",
    "?a",
    ": a",
    ":a",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "#a",
    "a:",
    "&a",
    "*a",
    "!a",
    "!!str a",
    "|",
    ">",
    "|-",
    "%a",
    "@a",
    "`a",
    "'a'",
    "\"a\"",
    "it's",
    "say \"hi\"",
    "{a",
    "[a",
    "{}",
    "[]",
    "{a: b}",
    "[a, b]",
    ", a",
    "a,",
    "]",
    "}",
    " leading",
    "trailing ",
    "\ttab",
    "a\tb",
    "tab\t",
    "line\n",
    "line\n\n",
    "\nline",
    "\n",
    "\n\n",
    "a\nb",
    "a\nb\n",
    "a\n\nb\n",
    "a\n  b\n c\n",
    "  a\nb\n",
    " a\n",
    "a \nb\n",
    "a\n \nb",
    "a\r\nb\r\n",
    "a\rb",
    "#!/bin/sh\necho \"$1\"\n",
    "{\n  \"json\": [1, 2]\n}\n",
    "key: value\nlist:\n- a\n- b\n",
    "[section]\nkey = value\n",
    "back\\slash",
    "a\\nb",
    "\u{7}bell",
    "\u{1b}[0m",
    "\u{85}",
    "a\u{a0}b",
    "\u{2028}",
    "a\u{2029}b",
    "\u{feff}bom",
    "a\u{feff}b",
    "\u{fffd}",
    "\u{e000}",
    "Gr\u{fc}\u{df}e",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f600}",
    "e\u{301}",
    "$(VAR)",
    "${VAR}",
    "50%",
    "<a href=\"x\">&amp;</a>",
    "http://example.com/?a=b&c=d",
    "a very long line that goes on and on, past the column at which an emitter of YAML may feel tempted to break it into two, and then a little further",
    "averylongwordwithoutanyspacewhichnoemittercanbreakhoweverhardittriesaveryverylongwordindeedthatneverendsandgoeson",
    "a very long line that goes on and on, past the column where some emitters break lines, and ends with a line feed\nand then a second one which is just as long as the first one, so that both of them would have to be folded\n",
];

/// Characters that YAML does not allow and JSON does not escape: go-yaml refuses a document with
/// one of them.
pub const UNWRITABLE: [char; 4] = ['\u{7f}', '\u{80}', '\u{9f}', '\u{fffe}'];

/// A text, mostly an odd one.
pub(crate) fn text(dice: &mut Dice) -> String {
    if dice.count(0..2500) == 0 {
        return format!("a{}", dice.pick(&UNWRITABLE));
    }
    if dice.percent(10) {
        return format!("{}{}", dice.pick(TEXTS), dice.pick(TEXTS));
    }
    (*dice.pick(TEXTS)).to_owned()
}

/// A reference to an image that podman takes and that YAML may take for something else.
pub(crate) fn image(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&[
        "registry.example/image:1",
        "Registry.Example:5000/a/b_c:V1_x.y",
        "plain",
        "yes",
        "no",
        "null",
        "y:N",
        "on:Off",
        "true:False",
        "1",
        "007",
        "0x1",
        "1.5",
        "1e3",
        "12:30",
        "190:20",
        "2001-01-01",
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "docker://example/a",
    ])
}

/// An address of the device, or none.
pub(crate) fn address(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&[
        "",
        "0.0.0.0",
        "10.0.0.1",
        "::",
        "::1",
        "fe80::a",
        "1:2:3:4:5:6:7:8",
    ])
}

/// A name of a host that podman takes.
pub(crate) fn host_name(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&[
        "",
        "plain",
        "yes",
        "N",
        "null",
        "1",
        "0x1F",
        "1_000",
        "1.5",
        "1e3",
        "2001-01-01",
    ])
}

/// Keys of ConfigMaps and Secrets: `[-._a-zA-Z0-9]+`.
const KEYS: &[&str] = &[
    "key",
    "a",
    "b",
    "A",
    "B",
    "a1",
    "a2",
    "a10",
    "a01",
    "1",
    "2",
    "10",
    "01",
    "1.5",
    "1e3",
    "0x1f",
    "yes",
    "No",
    "true",
    "null",
    "y",
    "n",
    "on",
    "_",
    "-",
    "a-b",
    "a.b",
    "a_b",
    "file.yaml",
    "ca.crt",
    "2001-01-01",
    "Z",
    "z9",
    "z10",
    "z9a",
    ".hidden",
    "-.inf",
    "key-1",
    "key-02",
    "key-1-a",
    "KEY_A",
    "KEY_B",
];

/// A key of a ConfigMap or Secret.
pub(crate) fn key(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(KEYS)
}

/// Keys of labels and annotations.
const LABEL_KEYS: &[&str] = &[
    "app",
    "tier",
    "example.com/role",
    "example.com/a.b",
    "A",
    "a_b",
    "x-1",
    "true",
    "1",
    "io.containers.autoupdate",
];

/// A key of a label.
pub(crate) fn label_key(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(LABEL_KEYS)
}

/// A value of a label.
pub(crate) fn label_value(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(&["", "a", "b", "press", "paint", "true", "1", "v1.2_x-Y"])
}

/// A quantity, written in every way that an API server and Go read.
pub(crate) fn quantity(dice: &mut Dice) -> serde_json::Value {
    const QUANTITIES: &[&str] = &[
        "0",
        "1",
        "100m",
        "0.1",
        "0.5",
        "1.5",
        "1.50",
        "1500m",
        "1000m",
        "0.0001",
        "1n",
        "1u",
        "1k",
        "1000",
        "1M",
        "1G",
        "1T",
        "1P",
        "1E",
        "1Ki",
        "1024",
        "1024Ki",
        "1536Mi",
        "1.5Gi",
        "0.5Gi",
        "1Ti",
        "1Pi",
        "1Ei",
        "1e3",
        "1E3",
        "1.5e3",
        "12e-3",
        "123456789",
        "128974848",
        "129e6",
        "129M",
        "-1",
        "+1",
        ".5",
        "5.",
        "100000000000000000000",
        "0Ki",
        "0m",
        "1.1Ki",
        "1000Mi",
        "0.001",
        "00100",
    ];
    if dice.percent(20) {
        return serde_json::json!(dice.number(0..5000));
    }
    serde_json::json!(dice.pick(QUANTITIES))
}
