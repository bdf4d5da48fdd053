//! A look at what is kept, one portion at a time: which rows are not what was written. Rows without
//! a checksum get one.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::GenericClient;

use super::{
    documents::{allow, lock},
    failure::Failure,
    read, sums,
    write::execute,
};
use crate::{
    Examined, Portion, Revision, StoreError,
    checksum::Standing,
    model::is_full,
    record::{DeviceRow, summed_report},
};

type Result<T> = std::result::Result<T, Failure>;

/// Devices of one portion.
const DEVICES: usize = 200;

const SUM_DEVICES: &str = "UPDATE device d SET checksum = new.checksum
    FROM unnest($1::text[], $2::bytea[]) AS new (id, checksum) WHERE d.id = new.id";

const SUM_REPORTS: &str = "UPDATE report r SET checksum = new.checksum
    FROM unnest($1::text[], $2::bytea[]) AS new (id, checksum) WHERE r.device_id = new.id";

/// Devices behind an id: what is damaged, which lack a checksum, and what comes next.
pub(super) async fn devices(
    client: &impl GenericClient,
    after: &str,
) -> Result<(Vec<String>, Vec<String>, Portion)> {
    let rows = read::whole(client, after, DEVICES).await?;
    let bytes = rows.iter().map(DeviceRow::bytes).sum();
    let next = match rows.last() {
        Some(last) if is_full(rows.len(), DEVICES, bytes) => Portion::Devices(last.kept.id.clone()),
        _ => Portion::Documents,
    };
    let (mut damaged, mut lacking) = (Vec::new(), Vec::new());
    for row in rows {
        let id = row.kept.id.clone();
        match standing(row) {
            Ok(Standing::Unsummed) => lacking.push(id),
            Ok(_) => {}
            Err(error) => damaged.push(error.of_device()),
        }
    }
    Ok((damaged, lacking, next))
}

fn standing(row: DeviceRow) -> std::result::Result<Standing, StoreError> {
    let standing = row.verify()?;
    row.read().map(|_| standing)
}

/// What cannot be looked through is damaged, and is told as that; the look goes on behind it.
pub(super) async fn examine(
    client: &mut ClientWrapper,
    portion: &Portion,
    patience: Duration,
) -> Result<Examined> {
    match look(client, portion, patience).await {
        Err(failure) if failure.tells_damage() => {
            let why = StoreError::from(failure).reason();
            Ok(Examined::stopped(portion, &why))
        }
        looked => looked,
    }
}

async fn look(client: &mut ClientWrapper, portion: &Portion, patience: Duration) -> Result<Examined> {
    match portion {
        Portion::Devices(after) => {
            let (damaged, lacking, next) = devices(&**client, after).await?;
            Ok(Examined {
                damaged,
                summed: sum_devices(client, &lacking).await?,
                next: Some(next),
            })
        }
        Portion::Documents => documents(client, patience).await,
        // PostgreSQL has checksums of its pages where its operator has switched them on.
        Portion::Table(_) => Ok(Examined::default()),
    }
}

async fn documents(client: &mut ClientWrapper, patience: Duration) -> Result<Examined> {
    let transaction = client.transaction().await?;
    allow(&transaction, patience).await?;
    lock(&transaction).await?;
    let damaged = sums::damaged(&transaction).await?;
    let summed = sums::sum(&transaction).await?;
    transaction.commit().await?;
    Ok(Examined {
        damaged,
        summed,
        next: None,
    })
}

/// As writes of them do, it locks the devices in the order of their ids.
async fn sum_devices(client: &mut ClientWrapper, ids: &[String]) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let transaction = client.transaction().await?;
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (mut devices, mut device_sums) = (Vec::new(), Vec::new());
    let (mut reports, mut report_sums) = (Vec::new(), Vec::new());
    for row in read::locked(&transaction, &names).await? {
        if !matches!(row.verify(), Ok(Standing::Unsummed)) {
            continue;
        }
        let kept = row.kept;
        device_sums.push(kept.columns.summed(&kept.id, Revision(kept.revision)).checksum());
        if let Some((report, _)) = row.report {
            report_sums.push(summed_report(&kept.id, &report).checksum());
            reports.push(kept.id.clone());
        }
        devices.push(kept.id);
    }
    execute(&transaction, SUM_DEVICES, &[&devices, &device_sums]).await?;
    execute(&transaction, SUM_REPORTS, &[&reports, &report_sums]).await?;
    transaction.commit().await?;
    Ok((devices.len() + reports.len()) as u64)
}
