//! What can be wrong with a PEM file, each as a sentence with the block, the reason and the remedy.

/// Why a PEM file did not hold what was looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing that begins with `-----BEGIN`.
    #[error("it holds no PEM block; give a file with at least one")]
    NoBlock,
    /// A block without an end, or whose content is not base64.
    #[error("PEM block {block} is damaged: {reason}")]
    Damaged {
        /// Its number, from 1.
        block: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A block that some programs read and others do not.
    #[error("PEM block {block} (line {line}): {reason}; {remedy}", remedy = reason.remedy())]
    Malformed {
        /// Its number, from 1.
        block: usize,
        /// The line that is wrong, or on which the block begins; from 1.
        line: usize,
        /// What is wrong with it.
        reason: Malformed,
    },
    /// There are blocks, but none of the kind that is needed.
    #[error("it holds no {wanted}, only {found}")]
    Missing {
        /// The kind that is needed.
        wanted: &'static str,
        /// The labels of the blocks in the file.
        found: String,
    },
    /// A private key that is protected by a passphrase.
    #[error("the private key is encrypted; store it without a passphrase")]
    Encrypted,
    /// More blocks than one where one is expected.
    #[error("it holds {found} {kind}s, expected one")]
    Several {
        /// What was looked for.
        kind: &'static str,
        /// How many there are.
        found: usize,
    },
}

/// What makes a block one that not every program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// In front of the first BEGIN, where an editor put it.
    #[error("a byte order mark stands in front of its BEGIN line")]
    ByteOrderMark,
    /// Two files were joined of which the first did not end with a line break.
    #[error("it begins on the line on which the block before it ends")]
    Glued,
    /// Spaces in front of BEGIN.
    #[error("its BEGIN line is indented")]
    Indented,
    /// Anything else in front of BEGIN.
    #[error("text stands in front of its BEGIN")]
    TextBefore,
    /// Anything behind the BEGIN line's last dash.
    #[error("text stands behind its BEGIN")]
    TextBehind,
    /// Anything in front of or behind END.
    #[error("its END is not alone on a line")]
    EndNotAlone,
    /// Another block, or the file's end, comes before its END.
    #[error("its END line is missing")]
    NoEnd,
    /// An END that ends nothing.
    #[error("its BEGIN line is missing")]
    NoBegin,
    /// BEGIN and END with different labels.
    #[error("its END line has another label than its BEGIN line")]
    EndOfAnother,
    /// A line that a person takes for a BEGIN or an END, and no program does.
    #[error("its BEGIN or END line is misspelt")]
    Misspelt,
    /// A label such as `A: B`: when nothing stands in the block, Go takes its END for a header
    /// line.
    #[error("its label has a colon, and some programs take such a line for a header")]
    ColonInLabel,
    /// Lines such as `Name: value` in front of its content.
    #[error("it has header lines, or text among its lines of base64")]
    Headers,
    /// Anything else in its lines.
    #[error("its content is not base64")]
    NotBase64,
    /// A certificate under another label, such as `TRUSTED CERTIFICATE`.
    #[error("it is a certificate under another label than CERTIFICATE")]
    OtherLabel,
}

impl Malformed {
    /// What a person does about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "save the file as UTF-8 without one",
            Self::Glued => "put a line break between the two",
            Self::Indented => "remove the spaces in front of it",
            Self::TextBefore | Self::TextBehind => "leave BEGIN alone on its line",
            Self::EndNotAlone => "leave END alone on its line",
            Self::NoEnd | Self::NoBegin | Self::NotBase64 => "copy the whole block again, or remove it",
            Self::EndOfAnother => "copy the whole block again, or give both the same label",
            Self::Misspelt => {
                "write -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----, each alone on its line"
            }
            Self::ColonInLabel => "remove the block, or the colon",
            Self::Headers => "remove all but base64 from it",
            Self::OtherLabel => "write CERTIFICATE, or convert it with 'openssl x509 -in FILE'",
        }
    }
}
