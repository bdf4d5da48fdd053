//! The connection to the API server.

use std::time::Duration;

use http::Request;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use prometheus_client::metrics::{counter::Counter, family::Family};
use tower::util::MapRequestLayer;

/// An API server that does not take a connection for this long is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// Requests by their method.
pub type Requests = Family<[(&'static str, String); 1], Counter>;

/// Connects, in a pod with its account, elsewhere by the kubeconfig; counts every request.
///
/// Nothing is tried again here: the loop observes anew before it does.
pub fn connect(mut config: Config, requests: &Requests) -> Result<Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    let requests = requests.clone();
    let count = MapRequestLayer::new(move |request: Request<Body>| {
        let method = request.method().as_str().to_owned();
        requests.get_or_create(&[("method", method)]).inc();
        request
    });
    Ok(ClientBuilder::try_from(config)?.with_layer(&count).build())
}
