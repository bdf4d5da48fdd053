//! Calls over the network that prove something: what each pod of our server has loaded, that the backend's URL works as the
//! Edge API will use it, and what a device hears from each pod of the Edge API.
