//! `edge-config-server rekey`: Secrets are encrypted anew.

use anyhow::ensure;
use clap::Args;

use super::{Connection, print, write};
use crate::admin::table;

/// Encrypts every Secret in the store of a running server with the first key of its --secret-keys,
/// also those that were stored plain, and leaves nothing of what was there before in the store's
/// files.
///
/// Fails if something of it is left; it then says where, and what to do.
#[derive(Debug, Args)]
pub struct RekeyArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command against a running server and prints its result.
pub async fn run(args: RekeyArgs) -> anyhow::Result<()> {
    let rekeyed = args.connection.client().rekey().await?;
    write(&print(args.connection.output, &rekeyed, table::rekeyed)?)?;
    ensure!(
        rekeyed.leftover.is_none(),
        "plain text is left in the store's files"
    );
    Ok(())
}
