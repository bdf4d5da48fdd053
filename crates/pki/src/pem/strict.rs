//! Which blocks does a PEM file hold, where every program agrees about it?
//!
//! A file is read as lines. A block is a BEGIN line, lines of base64 and an END line with the same
//! label, each alone on its line; any other line is a comment, unless it looks like a part of a
//! block. So what is accepted here is read the same by Go's `encoding/pem`, in each of its
//! versions: it looks for `-----END ` or `-----BEGIN ` at the start of a line (which of them first
//! has changed), and comments hold neither; it takes lines with a colon for headers, and base64 has
//! none. `tests/go_pem` holds that against Go. What is refused is told by its number, and nothing
//! is passed over.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::fault::{Malformed, PemError};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Labels of certificates, without their spaces.
const TAKEN_FOR_CERTIFICATE: [&str; 3] = ["CERTIFICATE", "X509CERTIFICATE", "TRUSTEDCERTIFICATE"];

/// A block that every program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its number among all blocks, damaged ones included, from 1.
    pub(crate) number: usize,
    /// The line that it begins on, from 1.
    pub(crate) line: usize,
    /// What stands behind BEGIN.
    pub(crate) label: String,
    /// What its base64 stands for.
    pub(crate) content: Vec<u8>,
}

/// Each block of a file, or what is wrong with it.
pub(crate) fn blocks(file: &[u8]) -> Vec<Result<Block, PemError>> {
    let mut reader = Reader::default();
    for line in file.split_inclusive(|&octet| octet == b'\n') {
        reader.line += 1;
        reader.take(text_of(line));
    }
    if let State::Within(block) = std::mem::take(&mut reader.state) {
        reader.refuse_begun(&block, Malformed::NoEnd);
    }
    reader.found
}

/// A line without its end, and without spaces and tabs before that. A carriage return belongs to
/// the end only together with a line feed, as in Go.
fn text_of(line: &[u8]) -> &[u8] {
    let mut text = line
        .strip_suffix(b"\r\n")
        .or_else(|| line.strip_suffix(b"\n"))
        .unwrap_or(line);
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[derive(Default)]
struct Reader {
    found: Vec<Result<Block, PemError>>,
    state: State,
    /// Of the line that is read, from 1.
    line: usize,
}

#[derive(Default)]
enum State {
    #[default]
    Outside,
    Within(Begun),
    /// Within a block that was refused for its BEGIN line.
    Refused,
}

struct Begun {
    line: usize,
    label: String,
    base64: Vec<u8>,
    /// The first line that is no base64.
    fault: Option<(usize, Malformed)>,
    encrypted: bool,
}

/// What a line is.
enum Line<'a> {
    Begin(&'a str),
    End(&'a str),
    /// A BEGIN that not every program reads.
    BadBegin(Malformed),
    /// An END that not every program reads.
    BadEnd(Malformed),
    /// An END and a BEGIN.
    EndAndBegin,
    Text,
}

impl Reader {
    fn take(&mut self, text: &[u8]) {
        match (line(text), std::mem::take(&mut self.state)) {
            (Line::Begin(label), before) => {
                self.unended(before);
                self.state = State::Within(Begun {
                    line: self.line,
                    label: label.to_owned(),
                    base64: Vec::new(),
                    fault: None,
                    encrypted: false,
                });
            }
            (Line::BadBegin(reason), before) => {
                self.unended(before);
                self.refuse(self.line, reason);
                self.state = State::Refused;
            }
            (Line::EndAndBegin, before) => {
                self.end(before, None);
                self.refuse(self.line, Malformed::Glued);
                self.state = State::Refused;
            }
            (Line::End(label), before) => self.end(before, Some(label)),
            (Line::BadEnd(reason), State::Within(_) | State::Outside) => self.refuse(self.line, reason),
            (Line::BadEnd(_), State::Refused) => {}
            (Line::Text, State::Within(mut block)) => {
                block.add(self.line, text);
                self.state = State::Within(block);
            }
            (Line::Text, before) => self.state = before,
        }
    }

    /// Another block begins.
    fn unended(&mut self, before: State) {
        if let State::Within(block) = before {
            self.refuse_begun(&block, Malformed::NoEnd);
        }
    }

    /// A block ends with this label, or with an END that is not alone.
    fn end(&mut self, before: State, label: Option<&str>) {
        match (before, label) {
            (State::Within(block), Some(label)) if block.label == label => {
                let number = self.found.len() + 1;
                self.found.push(block.finish(number));
            }
            (State::Within(block), Some(_)) => self.refuse_begun(&block, Malformed::EndOfAnother),
            (State::Within(_), None) => self.refuse(self.line, Malformed::EndNotAlone),
            (State::Outside, _) => self.refuse(self.line, Malformed::NoBegin),
            (State::Refused, _) => {}
        }
    }

    fn refuse_begun(&mut self, block: &Begun, reason: Malformed) {
        let (line, reason) = block.fault.unwrap_or((block.line, reason));
        self.refuse(line, reason);
    }

    fn refuse(&mut self, line: usize, reason: Malformed) {
        let block = self.found.len() + 1;
        self.found.push(Err(PemError::Malformed { block, line, reason }));
    }
}

impl Begun {
    fn add(&mut self, line: usize, text: &[u8]) {
        let is_base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/= \t".contains(octet);
        if text.iter().all(is_base64) {
            let octets = text.iter().filter(|octet| !b" \t".contains(octet));
            self.base64.extend(octets);
            return;
        }
        self.encrypted |= text.starts_with(b"Proc-Type:") && text.ends_with(b"ENCRYPTED");
        let reason = if text.contains(&b':') {
            Malformed::Headers
        } else {
            Malformed::NotBase64
        };
        self.fault = self.fault.or(Some((line, reason)));
    }

    fn finish(self, number: usize) -> Result<Block, PemError> {
        let refused = |(line, reason)| PemError::Malformed {
            block: number,
            line,
            reason,
        };
        if self.encrypted && self.label.ends_with("KEY") {
            return Err(PemError::Encrypted);
        }
        if let Some(fault) = self.fault {
            return Err(refused(fault));
        }
        let decoded = BASE64_STANDARD.decode(&self.base64);
        Ok(Block {
            number,
            line: self.line,
            label: self.label,
            content: decoded.map_err(|_| refused((self.line, Malformed::NotBase64)))?,
        })
    }
}

fn line(text: &[u8]) -> Line<'_> {
    if let Ok(text) = str::from_utf8(text) {
        if let Some(label) = label(text, BEGIN) {
            return Line::Begin(label);
        }
        if let Some(label) = label(text, END) {
            return Line::End(label);
        }
    }
    suspect(&String::from_utf8_lossy(text))
}

/// The label of a line that is nothing but this.
fn label<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    let label = text.strip_prefix(kind)?.strip_suffix(DASHES)?;
    let letters = label
        .bytes()
        .all(|octet| octet == b' ' || (octet.is_ascii_graphic() && octet != b':'));
    let edges = label.trim_matches([' ', '-']).len() == label.len();
    (letters && edges && !label.is_empty() && !label.contains("--")).then_some(label)
}

/// Whether a line that is no BEGIN and no END may be one to somebody else.
fn suspect(text: &str) -> Line<'static> {
    let (begin, end) = (text.find(BEGIN.trim_end()), text.find(END.trim_end()));
    match (begin, end) {
        (Some(begin), Some(end)) if end < begin => Line::EndAndBegin,
        (Some(begin), _) => Line::BadBegin(match &text[..begin] {
            "" if text.ends_with(DASHES) && text.contains(':') => Malformed::ColonInLabel,
            "" if text[DASHES.len()..].contains(DASHES) => Malformed::TextBehind,
            "" => Malformed::Misspelt,
            BYTE_ORDER_MARK => Malformed::ByteOrderMark,
            before if before.trim().is_empty() => Malformed::Indented,
            _ => Malformed::TextBefore,
        }),
        (None, Some(0)) if !text[DASHES.len()..].contains(DASHES) => Line::BadEnd(Malformed::Misspelt),
        (None, Some(_)) => Line::BadEnd(Malformed::EndNotAlone),
        (None, None) => match misspelt(text) {
            Some("BEGIN") => Line::BadBegin(Malformed::Misspelt),
            Some(_) => Line::BadEnd(Malformed::Misspelt),
            None => Line::Text,
        },
    }
}

/// Whether a person would take this line for a certificate's BEGIN or END: two dashes or more, of
/// whatever kind, the word, the label, and a dash; letters of either case, spaces anywhere.
fn misspelt(text: &str) -> Option<&'static str> {
    if !text.is_ascii() || text.contains("--") {
        let mut plain = String::new();
        for letter in text.chars() {
            match letter {
                '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
                    plain.push_str("--");
                }
                letter if letter.is_whitespace() => {}
                letter => plain.push(letter.to_ascii_uppercase()),
            }
        }
        for word in ["BEGIN", "END"] {
            let mut rest = plain.as_str();
            while let Some((_, behind)) = rest.split_once("--") {
                rest = behind.trim_start_matches('-');
                let labelled = rest.strip_prefix(word).and_then(|rest| rest.split_once('-'));
                if labelled.is_some_and(|(label, _)| TAKEN_FOR_CERTIFICATE.contains(&label)) {
                    return Some(word);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";

    fn told(file: &str) -> Vec<String> {
        let told = |block: &Result<Block, PemError>| match block {
            Ok(block) => format!("{} {:?}", block.label, block.content),
            Err(fault) => fault.to_string(),
        };
        blocks(file.as_bytes()).iter().map(told).collect()
    }

    #[test]
    fn what_people_have_is_read() {
        let comment =
            "# Issuer: CN=a: b\n\nsubject=O = a, CN = a: b\n---\nGlobalSign Root CA\n==================\n";
        let files = [
            ONE.repeat(2),
            [comment, ONE, comment, ONE, comment].concat(),
            ONE.repeat(2).replace('\n', "\r\n"),
            ONE.repeat(2).trim_end().to_owned(),
            ONE.repeat(2).replace('\n', " \t\n"),
            ONE.repeat(2).replace("AQID", "AQ\n\nID"),
            format!("\u{feff}# saved by an editor\n{ONE}{ONE}"),
            format!("# -- end of the front-end's certificates --\n{ONE}-- END CERTIFICATES --\n{ONE}"),
        ];
        for file in files {
            assert_eq!(told(&file), ["CERTIFICATE [1, 2, 3]"; 2], "{file}");
        }
    }

    #[test]
    fn what_programs_read_differently_is_refused_by_its_number() {
        let begin = |line: &str| ONE.to_owned() + &ONE.replace("-----BEGIN CERTIFICATE-----", line);
        let end = |line: &str| ONE.to_owned() + &ONE.replace("-----END CERTIFICATE-----", line);
        let files = [
            ("glued", ONE.trim_end().to_owned() + ONE),
            ("a byte order mark", format!("\u{feff}{ONE}{ONE}")),
            ("indented", begin("  -----BEGIN CERTIFICATE-----")),
            ("text before", begin("CN=a -----BEGIN CERTIFICATE-----")),
            ("text behind", begin("-----BEGIN CERTIFICATE----- CN=a")),
            (
                "a carriage return behind",
                begin("-----BEGIN CERTIFICATE-----\r\r"),
            ),
            ("carriage returns only", ONE.to_owned() + &ONE.replace('\n', "\r")),
            ("a dash too few", begin("----BEGIN CERTIFICATE-----")),
            ("a dash too few behind", begin("-----BEGIN CERTIFICATE----")),
            ("small letters", ONE.to_owned() + &ONE.to_lowercase()),
            (
                "long dashes",
                ONE.to_owned() + &ONE.replace("-----", "\u{2014}\u{2013}"),
            ),
            (
                "no END",
                begin("-----BEGIN CERTIFICATE-----\nAQID\n-----BEGIN CERTIFICATE-----"),
            ),
            ("no END at all", end("")),
            ("no BEGIN", begin("")),
            ("another END", end("-----END CERTIFICATES-----")),
            ("an indented END", end(" -----END CERTIFICATE-----")),
            ("text behind END", end("-----END CERTIFICATE----- CN=a")),
            (
                "a carriage return at the end",
                ONE.to_owned() + ONE.trim_end() + "\r",
            ),
            (
                "a colon in the label",
                ONE.to_owned() + &ONE.replace("CERTIFICATE", "A: B").replace("AQID\n", ""),
            ),
            ("headers", begin("-----BEGIN CERTIFICATE-----\nName: value\n")),
            ("no base64", ONE.to_owned() + &ONE.replace("AQID", "AQ!D")),
            ("a rest of base64", ONE.to_owned() + &ONE.replace("AQID", "AQIDA")),
            (
                "an encrypted one",
                begin("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"),
            ),
        ];
        let told: Vec<_> = files
            .iter()
            .map(|(what, file)| format!("{what}:\n  {}\n", told(file).join("\n  ")))
            .collect();
        insta::assert_snapshot!(told.concat());
    }
}
