//! References to images, by the grammar of containers/image (`docker/reference`), as podman reads
//! them (`libimage.Pull`).

/// Sources of images that are no registry. What stands behind one is a matter of that source, and
/// of the device.
const TRANSPORTS: [&str; 10] = [
    "atomic",
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
    "ostree",
    "sif",
    "tarball",
];

const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

const NO_REFERENCE: &str = "is no reference to an image; write it as registry/repository:tag";
const CAPITALS: &str = "has capital letters in its repository; use lower-case letters";
const TOO_LONG: &str = "has a repository of more than 255 characters; give it a shorter name";
const NO_TAG: &str =
    "has no tag behind its colon; write up to 128 letters, digits, -, _ and . there, or take the colon out";
const NO_DIGEST: &str =
    "has no digest behind its @; write sha256: and 64 lower-case hexadecimal digits there, or take the @ out";

/// Whether podman may pull it, and why not.
pub(super) fn check(image: &str) -> Result<(), &'static str> {
    if let Some(name) = image.strip_prefix("docker://") {
        return reference(name);
    }
    let of_transport = image
        .split_once(':')
        .is_some_and(|(transport, _)| TRANSPORTS.contains(&transport));
    // An image that the device has is named by its id, or by what may be one.
    let is_id = image.starts_with("sha256:") || (image.len() == 64 && !image.contains(['/', '.', ':', '@']));
    if of_transport || is_id {
        return Ok(());
    }
    reference(image)
}

fn reference(text: &str) -> Result<(), &'static str> {
    let (text, digest) = match text.split_once('@') {
        Some((text, digest)) => (text, Some(digest)),
        None => (text, None),
    };
    let (registry, last) = match text.rsplit_once('/') {
        Some((registry, last)) => (Some(registry), last),
        None => (None, text),
    };
    let (last, tag) = match last.split_once(':') {
        Some((last, tag)) => (last, Some(tag)),
        None => (last, None),
    };
    let name = registry.map_or_else(|| last.to_owned(), |registry| format!("{registry}/{last}"));
    if !is_repository(&name) {
        let is_small = !is_repository(&name.to_ascii_lowercase());
        return Err(if is_small { NO_REFERENCE } else { CAPITALS });
    }
    if name.len() > MAX_NAME {
        return Err(TOO_LONG);
    }
    if !tag.is_none_or(is_tag) {
        return Err(NO_TAG);
    }
    if !digest.is_none_or(is_digest) {
        return Err(NO_DIGEST);
    }
    Ok(())
}

fn is_repository(name: &str) -> bool {
    let Some((first, rest)) = name.split_once('/') else {
        return is_component(name);
    };
    // Without one of these marks it is no registry, but a part of a repository.
    let may_be_registry = first.contains(['.', ':']) || first == "localhost";
    (is_component(first) || (may_be_registry && is_registry(first))) && rest.split('/').all(is_component)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        let ends_well = !label.starts_with('-') && !label.ends_with('-');
        let of_letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && ends_well && label.bytes().all(of_letters)
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// Small letters and digits, with one point, one or two underscores or any number of hyphens
/// between them.
fn is_component(text: &str) -> bool {
    let is_inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    text.starts_with(is_inner) && text.ends_with(is_inner) && text.split(is_inner).all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = text.bytes().next().is_some_and(is_word);
    let goes_on = text.bytes().all(|byte| is_word(byte) || b".-".contains(&byte));
    begins_well && goes_on && text.len() <= MAX_TAG
}

/// The algorithms that podman has, and digests as they write them (`digest.Parse`).
fn is_digest(text: &str) -> bool {
    let length = |algorithm| match algorithm {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    };
    text.split_once(':').is_some_and(|(algorithm, digits)| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        length(algorithm) == Some(digits.len()) && digits.bytes().all(is_digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_that_podman_pulls() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let images = [
            "i",
            "busybox",
            "library/busybox:1.36",
            "docker.io/nginx:1.14.2",
            "Registry.Example:5000/a/b_c/d__e/f--g/h.i:V1_a.b-c",
            "localhost/a",
            "localhost:5000",
            "host:5000/a",
            "1.2.3.4/a",
            "under_score/a",
            "a.b_c/d",
            "docker:latest",
            "docker://quay.io/a/b",
            "oci:/var/lib/Images:x y",
            "docker-archive:/srv/a.tar",
            "containers-storage:[overlay@/x]a",
            "sha256:abc",
            &"A".repeat(64),
            &format!("a@{digest}"),
            &format!("r.example/a:1@{digest}"),
            &format!("a@sha512:{}", "0".repeat(128)),
            &format!("r.example/{}", "a".repeat(245)),
            &format!("a:{}", "x".repeat(128)),
        ];
        for image in images {
            assert_eq!(check(image), Ok(()), "{image}");
        }
    }

    #[test]
    fn references_that_podman_refuses() {
        let hexadecimal = "0123456789abcdef".repeat(4);
        for (image, reason) in [
            ("Nginx", CAPITALS),
            ("r.example/Team/a", CAPITALS),
            ("Team/a", CAPITALS),
            ("LOCALHOST/a", CAPITALS),
            ("docker://Nginx", CAPITALS),
            (" ", NO_REFERENCE),
            ("a b", NO_REFERENCE),
            (" a", NO_REFERENCE),
            ("a\n", NO_REFERENCE),
            ("http://r.example/a", NO_REFERENCE),
            ("https://r.example/a:1", NO_REFERENCE),
            ("/a", NO_REFERENCE),
            ("a/", NO_REFERENCE),
            ("a//b", NO_REFERENCE),
            ("_a", NO_REFERENCE),
            ("a-", NO_REFERENCE),
            ("a..b", NO_REFERENCE),
            ("a___b", NO_REFERENCE),
            ("a-_b", NO_REFERENCE),
            ("-r.example/a", NO_REFERENCE),
            ("r.example:x/a", NO_REFERENCE),
            ("r.example:/a", NO_REFERENCE),
            ("[::1]:5000/a", NO_REFERENCE),
            ("\u{e9}", NO_REFERENCE),
            ("${IMAGE}", NO_REFERENCE),
            ("docker:///a", NO_REFERENCE),
            (":", NO_REFERENCE),
            ("@", NO_REFERENCE),
            ("", NO_REFERENCE),
            ("a:", NO_TAG),
            ("a:-", NO_TAG),
            ("a:b:c", NO_TAG),
            ("a:b c", NO_TAG),
            (&format!("a:{}", "x".repeat(129)), NO_TAG),
            (&format!("r.example/{}", "a".repeat(246)), TOO_LONG),
            ("a@", NO_DIGEST),
            ("a@sha256:", NO_DIGEST),
            ("a@sha256:abc", NO_DIGEST),
            (&format!("a@md5:{hexadecimal}"), NO_DIGEST),
            (&format!("a@sha256:{}", hexadecimal.to_uppercase()), NO_DIGEST),
            (&format!("a@sha256:{hexadecimal}@"), NO_DIGEST),
            (&format!("a@sha256:{hexadecimal}:1"), NO_DIGEST),
        ] {
            assert_eq!(check(image), Err(reason), "{image:?}");
        }
    }

    proptest! {
        /// By the regular expressions in the words of docker/reference.
        #[test]
        fn what_the_grammar_makes_is_taken(
            name in "((([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]{0,3}[a-zA-Z0-9])[.]){1,2}[a-z0-9]{1,3}(:[0-9]{1,5})?/)?[a-z0-9]{1,3}((\\.|_|__|-{1,3})[a-z0-9]{1,2}){0,2}(/[a-z0-9]{1,3}){0,2}",
            tag in "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?",
            digest in "(@sha256:[0-9a-f]{64})?",
        ) {
            prop_assert_eq!(check(&format!("{name}{tag}{digest}")), Ok(()));
        }

        #[test]
        fn any_text_is_taken_or_refused(image in "\\PC*") {
            let _ = check(&image);
        }

        /// What no part of a reference has is in none that is taken.
        #[test]
        fn no_other_letters_are_taken(before in "[a-z]{1,3}", odd in "[ \t\n~!#$%^&*()+={}|\\\\;'\",<>?]", after in "[a-z]{0,3}") {
            let image = format!("{before}{odd}{after}");
            prop_assert!(check(&image).is_err());
        }
    }
}
