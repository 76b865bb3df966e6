//! Downloads: complete and verified, or nothing.

use super::error::DataError;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

/// Largest download, in bytes; the largest known set has 170 MB.
const MAX_DOWNLOAD: u64 = 1 << 30;

/// Fetches `url` to `target`. The bytes go to a temporary file in the same folder, `check` looks at that file, and only
/// then does it get its name: a broken download leaves nothing behind.
pub(crate) fn download(
    url: &str,
    target: &Path,
    check: &dyn Fn(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let folder = target.parent().expect("targets lie in the data folder");
    fs::create_dir_all(folder).map_err(|e| DataError::io("create", folder, e))?;
    let fail = |what: String| DataError::Download {
        url: url.to_owned(),
        what,
        next: "check the network, or fetch the file by hand".into(),
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_resolve(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(3600)))
        .build()
        .into();
    let response = agent.get(url).call().map_err(|e| fail(e.to_string()))?;
    let announced = response.body().content_length();
    let mut body = response.into_body().into_with_config().limit(MAX_DOWNLOAD).reader();
    let mut file = tempfile::Builder::new()
        .prefix(".download-")
        .tempfile_in(folder)
        .map_err(|e| DataError::io("create a temporary file in", folder, e))?;
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0u64;
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                file.write_all(&buffer[..n])
                    .map_err(|e| DataError::io("write", target, e))?;
                written += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(fail(e.to_string())),
        }
    }
    if announced.is_some_and(|a| a != written) {
        return Err(fail(format!(
            "{written} bytes came where {} were announced",
            announced.unwrap_or(0)
        )));
    }
    file.as_file()
        .sync_all()
        .map_err(|e| DataError::io("write", target, e))?;
    check(file.path())?;
    readable(file.path()).map_err(|e| DataError::io("set the mode of", target, e))?;
    file.persist(target)
        .map_err(|e| DataError::io("name", target, e.error))?;
    Ok(())
}

/// Temporary files are private; a data folder is often shared.
fn readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::content;
    use super::*;
    use std::net::TcpListener;

    /// Answers one request on this machine with `answer` and gives the address.
    fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        });
        url
    }

    fn ok(body: &[u8], length: usize) -> Vec<u8> {
        [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(),
            body,
        ]
        .concat()
    }

    fn pinned(path: &Path) -> Result<(), DataError> {
        match content::file_digest(path)? == content::sha256(b"good") {
            true => Ok(()),
            false => Err(DataError::format(path.display(), "wrong", "no")),
        }
    }

    fn left(dir: &Path) -> Vec<String> {
        fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_verified_download_gets_its_name() {
        let dir = tempfile::tempdir().unwrap();
        download(&serve(ok(b"good", 4)), &dir.path().join("sub/f"), &pinned).unwrap();
        assert_eq!(fs::read(dir.path().join("sub/f")).unwrap(), b"good");
        assert_eq!(left(&dir.path().join("sub")), ["f"]);
    }

    #[test]
    fn wrong_content_cut_bodies_and_errors_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for answer in [
            ok(b"evil", 4),
            ok(b"go", 4),
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ] {
            assert!(download(&serve(answer), &dir.path().join("f"), &pinned).is_err());
            assert!(left(dir.path()).is_empty());
        }
    }
}
