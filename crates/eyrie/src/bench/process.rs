//! A server as a child of the benchmark, and what it costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a child may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A child that is ended with the value.
pub(super) struct Server {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Server {
    /// This program's own `serve` on a free port, with a data folder and a durability level.
    pub(super) fn eyrie(data: &Path, durability: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .env("EYRIE_INGEST_DURABILITY", durability)
            .env("EYRIE_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting eyrie serve")?;
        let stdout = child.stdout.take().context("the child's output")?;
        Self::announced(child, stdout, |line| line.strip_prefix("listening on http://")?.trim().parse().ok())
    }

    /// A child that says where it listens in a line that `address` understands. Its output is read to the
    /// end, so that it never waits for us.
    pub(super) fn announced(
        mut child: Child,
        output: impl Read + Send + 'static,
        address: fn(&str) -> Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let (address_to, address_from) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = address(&line) {
                    let _ = address_to.try_send(address);
                }
            }
        });
        match address_from.recv_timeout(START_PATIENCE) {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let _ = child.kill();
                bail!("the server did not say where it listens within {START_PATIENCE:?}")
            }
        }
    }

    /// A program that is told its port and then listens there; `None` where it is not installed.
    pub(super) fn on_free_port(
        name: &str,
        command: impl FnOnce(u16) -> Command,
    ) -> anyhow::Result<Option<Self>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = match command(port).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("starting {name}")),
        };
        let server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let deadline = Instant::now() + START_PATIENCE;
        while std::net::TcpStream::connect(server.address).is_err() {
            if Instant::now() > deadline {
                bail!("{name} did not listen within {START_PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(server))
    }

    /// nginx answering 204 to everything, as the ruler; `None` where it is not installed.
    pub(super) fn nginx(folder: &Path) -> anyhow::Result<Option<Self>> {
        let config = folder.join("nginx.conf");
        let here = folder.display();
        let mut file = std::fs::File::create(&config)?;
        Self::on_free_port("nginx", |port| {
            // A configuration that was not written is said by nginx itself.
            let _ = write!(
                file,
                "worker_processes 2; daemon off; pid {here}/nginx.pid; error_log stderr crit;\n\
                 events {{ worker_connections 4096; }}\n\
                 http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {here}/body;\n\
                 proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi;\n\
                 scgi_temp_path {here}/scgi;\n\
                 server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 204; }} }} }}\n"
            );
            let mut nginx = Command::new("nginx");
            nginx.arg("-c").arg(&config).arg("-p").arg(folder).stdin(Stdio::null());
            nginx
        })
    }

    /// CPU used by the child and its children so far.
    pub(super) fn cpu(&self) -> Duration {
        let own = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        std::iter::once(own)
            .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
            .map(cpu_of)
            .sum()
    }

    /// Resident memory of the child, in bytes.
    pub(super) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        kib.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1_024
    }

    /// Asks the child to stop and waits for it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        terminate(self.child.id());
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            terminate(self.child.id());
            let _ = self.child.wait();
        }
    }
}

#[allow(unsafe_code)]
fn terminate(pid: u32) {
    // SAFETY: kill(2) takes two integers and touches no memory of ours.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) };
}

/// CPU of this very process so far.
pub(super) fn own_cpu() -> Duration {
    cpu_of(std::process::id())
}

/// User and system time of a process, from `/proc/PID/stat`, in ticks of 10 ms.
fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name in parentheses may hold spaces: count fields behind it.
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// CPU used by the whole machine so far, idle time left out.
pub(super) fn machine_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: u64 =
        fields.iter().take(8).enumerate().filter(|(i, _)| *i != 3 && *i != 4).map(|(_, n)| n).sum();
    Duration::from_millis(busy * 10)
}
