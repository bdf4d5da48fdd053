//! try
use std::sync::Arc;
use std::time::Instant;
use anyhow::Result;
use differential::flotta::{self, *};
use differential::generate::{Schemas, fleet, world};
#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let seed: u64 = args.next().unwrap().parse()?;
    let count: u64 = args.next().unwrap().parse()?;
    let start = Instant::now();
    let schemas = Schemas::published()?;
    let fleets: Vec<Arc<_>> = (0..count).map(|n| Arc::new(fleet(seed, n, &schemas))).collect();
    println!("generated {:?} {} objects, {} devices", start.elapsed(), fleets.iter().map(|f| f.objects.len()).sum::<usize>(), fleets.iter().map(|f| f.devices().len()).sum::<usize>());
    let cluster = Cluster::start().await?;
    println!("started {:?}", start.elapsed());
    cluster.put_world(&world(&mut differential::dice::Dice::new(seed, 0))).await?;
    let rejected = cluster.put(&fleets, Selection::Given).await?;
    println!("put {:?}", start.elapsed());
    for r in rejected.iter().take(30) { println!("rejected {} {:?} {}", fleets[r.fleet].namespace, r.key, &r.reason.chars().take(600).collect::<String>()); }
    println!("{} rejected", rejected.len());
    let edge = cluster.edge_api().await?;
    println!("edge api {:?}", start.elapsed());
    let p = edge.provisioning(&cluster.flotta).await?;
    let mut polls = vec![]; let mut who = vec![];
    for f in &fleets { for d in f.devices() { polls.push(Poll { certificate: cluster.certificate(&d, &f.namespace)?, id: d.clone() }); who.push((f.clone(), d)); } }
    println!("certs {:?}", start.elapsed());
    let answers = flotta::poll(&p, polls).await?;
    println!("polled {:?}", start.elapsed());
    let mut tally = std::collections::BTreeMap::<String, usize>::new();
    for ((f, d), a) in who.iter().zip(&answers) {
        let sel = differential::selection::select(f, d);
        let w: Vec<_> = sel.iter().filter(|n| differential::broken::workload(f, f.object("EdgeWorkload", n).unwrap())).collect();
        let dev = differential::broken::device(f, d);
        let plain = sel.iter().any(|n| { let w=f.object("EdgeWorkload", n).unwrap(); differential::fleet::plain_env(w) && !differential::broken::unwritable_pod(w)});
        let a = match a { Polled::Configuration(v) => { differential::agent::normal(v)?; "ok".to_owned() } Polled::Refused(s) => s.to_string(), Polled::Crashed => "crash".into() };
        let k = format!("{a} broken_w={} dev={dev} plain={plain}", !w.is_empty());
        if (a != "ok") != (!w.is_empty() || dev || plain) { println!("?? {} {d} {k}", f.namespace); for n in &sel { let w=f.object("EdgeWorkload", n).unwrap(); println!("   {n} broken={} plain={} {}", differential::broken::workload(f,w), differential::fleet::plain_env(w), serde_json::json!({"c": w["spec"]["pod"]["spec"]["containers"].as_array().map(|a| a.iter().map(|c| serde_json::json!([c["env"],c["envFrom"]])).collect::<Vec<_>>()), "i": w["spec"]["pod"]["spec"]["initContainers"].as_array().map(|a| a.iter().map(|c| serde_json::json!([c["env"],c["envFrom"]])).collect::<Vec<_>>()), "m": w["spec"]["metrics"],"r":w["spec"]["imageRegistries"]})); } }
        *tally.entry(k).or_default() += 1;
    }
    println!("{tally:#?}");
    if std::env::var("KEEP").is_ok() { println!("{}", edge.full_log()); }
    Ok(())
}
