//! `/config/NAME`: reading every option, changing two of them.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::Method;

use super::{Admin, access};
use crate::flags;
use crate::http::{Failure, Peer, answer, body};
use crate::logging::Level;

/// The largest value, in bytes.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// `GET` and `PUT /config/{option}`
pub(super) async fn config(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    access::need_near(&admin.options(), &peer)?;
    if request.method() == Method::PUT {
        access::need_admin(&admin.options(), request.headers())?;
        let value = body::read(request, VALUE_BYTES_MAX).await.map_err(|e| e.failure("INVALID_VALUE"))?;
        if value.is_empty() {
            return Err(Failure::too_large("INVALID_VALUE"));
        }
        set(&admin, &name, &value)?;
    }
    let value =
        flags::json(&*admin.options(), &name).ok_or_else(|| Failure::bad_request("INVALID_OPTION"))?;
    Ok(answer::json(&value))
}

fn set(admin: &Admin, name: &str, value: &[u8]) -> Result<(), Failure> {
    let invalid = || Failure::bad_request("INVALID_VALUE");
    match name {
        "nsqlookupd_http_addresses" => {
            let addresses: Vec<String> = serde_json::from_slice(value).map_err(|_| invalid())?;
            admin.change(|options| options.lookupd_http_addresses = addresses);
        }
        "log_level" => {
            let level = std::str::from_utf8(value).ok().and_then(Level::named);
            admin.say(level.ok_or_else(invalid)?);
        }
        _ => return Err(Failure::bad_request("INVALID_OPTION")),
    }
    Ok(())
}
