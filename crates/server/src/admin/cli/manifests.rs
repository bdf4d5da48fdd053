//! `edge-config-server manifests`: what devices are configured by.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::{Connection, print, write};
use crate::{
    admin::{
        client::{Apply, Text},
        table,
    },
    files,
};

/// How long a pipe may take until it ends: long enough for `helm template`, and for a person who
/// has forgotten the file.
const PATIENCE: Duration = Duration::from_mins(1);

/// Shows and changes the manifests that a running server configures its devices by, through its
/// admin socket.
#[derive(Debug, Args)]
pub struct ManifestsArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the sources, what is wrong with them and with the objects from them, and what waits for
    /// a person.
    Status,
    /// List the objects that devices are configured by.
    List,
    /// Take files over as one source: what it held before and holds no more is removed.
    Apply {
        /// Files or pipes of YAML or JSON, 8 MiB each; `-` is standard input. A pipe is waited for
        /// up to a minute.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Name of the source. `manifests` is that of --manifests.
        #[arg(long, default_value = "administrator")]
        source: String,
        /// Take them over though that takes something from devices; with the digest that the
        /// refusal showed, so that nothing else is meant.
        #[arg(long, value_name = "DIGEST")]
        confirm: Option<String>,
        /// Objects of this source that are in the files become this one's, in one step.
        #[arg(long, value_name = "SOURCE")]
        take_from: Option<String>,
    },
    /// Say that what waits is meant, though it takes something from devices.
    Confirm {
        /// As `status` shows it.
        digest: String,
    },
    /// Hand the objects of a source that --manifests holds too over to that, in one step; others
    /// stay with the source.
    HandOver {
        /// The source that has them.
        from: String,
        /// Do it though that takes something from devices; with the digest that the refusal showed.
        #[arg(long, value_name = "DIGEST")]
        confirm: Option<String>,
    },
    /// Remove all objects of a source. Of --manifests: say that it is empty on purpose.
    Empty {
        /// The source.
        source: String,
        /// Do it though that takes something from devices; with the digest that the refusal showed.
        #[arg(long, value_name = "DIGEST")]
        confirm: Option<String>,
    },
}

/// Runs a command against a running server and prints its result.
pub async fn run(args: ManifestsArgs) -> anyhow::Result<()> {
    let client = args.connection.client();
    let output = args.connection.output;
    let text = match args.command {
        Command::Status => print(output, &client.manifests().await?, table::manifests)?,
        Command::List => print(output, &client.objects().await?, |objects| {
            table::objects(objects)
        })?,
        Command::Apply {
            files,
            source,
            confirm,
            take_from,
        } => {
            let apply = Apply {
                source,
                confirm,
                take_from,
                texts: files
                    .into_iter()
                    .map(|path| read(path, PATIENCE))
                    .collect::<anyhow::Result<Vec<_>>>()?,
            };
            print(output, &client.apply(&apply).await?, table::applied)?
        }
        Command::HandOver { from, confirm } => {
            let applied = client.hand_over(&from, confirm).await?;
            print(output, &applied, table::applied)?
        }
        Command::Empty { source, confirm } => {
            let applied = client.empty(&source, confirm).await?;
            print(output, &applied, table::applied)?
        }
        Command::Confirm { digest } => {
            let view = client.confirm(&digest).await?;
            print(output, &view, table::manifests)?
        }
    };
    write(&text)
}

fn read(path: PathBuf, patience: Duration) -> anyhow::Result<Text> {
    let origin = path.display().to_string();
    let (name, is_input) = match &*origin {
        "-" => ("standard input".to_owned(), true),
        _ => (origin.clone(), false),
    };
    if path.is_dir() {
        bail!("{name} is a directory; name its files, for example {name}/*.yaml");
    }
    let open = move || -> std::io::Result<Box<dyn Read>> {
        Ok(if is_input {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path)?)
        })
    };
    let bytes = match files::to_its_end(open, manifests::MAX_BYTES as u64, patience) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            bail!(
                "{name} is larger than {} MiB; split it",
                manifests::MAX_BYTES >> 20
            )
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let wait = patience.as_secs();
            bail!("{name} has not ended within {wait} s; write it into a file, and apply that")
        }
        Err(error) => return Err(error).with_context(|| format!("{name} cannot be read")),
    };
    let text = manifests::decoded(bytes).map_err(|reason| anyhow!("{name} {reason}"))?;
    Ok(Text { origin, text })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command, thread};

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn refused(path: &Path) -> String {
        match read(path.to_owned(), SHORT) {
            Ok(text) => panic!("{} was read", text.origin),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = {
            let pipe = pipe.clone();
            thread::spawn(move || fs::write(pipe, "a: b\n"))
        };
        assert_eq!(read(pipe.clone(), PATIENCE).unwrap().text, "a: b\n");
        writer.join().unwrap().unwrap();
        assert!(
            refused(&pipe).contains("has not ended within"),
            "{}",
            refused(&pipe)
        );
    }

    #[test]
    fn what_cannot_be_applied_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refused(folder.path()).contains("is a directory; name its files"));
        assert!(refused(&folder.path().join("absent")).contains("cannot be read"));
        let windows = folder.path().join("windows.yaml");
        fs::write(&windows, b"\xff\xfea\0").unwrap();
        assert!(refused(&windows).contains("save it as UTF-8"));
        let large = folder.path().join("large.yaml");
        fs::File::create(&large)
            .unwrap()
            .set_len(manifests::MAX_BYTES as u64 + 1)
            .unwrap();
        // However long that takes.
        let error = read(large, PATIENCE).err().unwrap().to_string();
        assert!(error.contains("is larger than 8 MiB; split it"), "{error}");
    }
}
