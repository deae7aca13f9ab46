//! Makes the hosts of a network and takes them down.

use crate::{carry::carry, error::WanError, line::Line};
use nix::sched::{CloneFlags, setns};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    net::Ipv4Addr,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    thread,
};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// Most bytes that TCP may have under way; the kernel's 4 MiB hold back a stream at 5 Gbit/s and 7 ms.
const TCP_BUFFER: usize = 64 << 20;

/// What a network is to be like.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its hosts are the namespaces `NAME-1`, `NAME-2` and so on. At most 8 letters.
    pub name: String,
    /// 2 to 200.
    pub hosts: usize,
    /// Between any two hosts.
    pub line: Line,
    /// The hosts' addresses are 10.77.SUBNET.1 and so on.
    pub subnet: u8,
}

impl Network {
    /// Makes the hosts, in place of those that a network of this name may have left behind, and begins to carry packets.
    ///
    /// # Errors
    /// See [`WanError`]. Nothing is left of the network then.
    pub fn up(self) -> Result<Wan, WanError> {
        if !(2..=200).contains(&self.hosts) {
            return Err(WanError::Hosts(self.hosts));
        }
        let wan = Wan(self);
        wan.remove();
        let devices: Vec<Arc<SyncDevice>> = (0..wan.0.hosts).map(|i| wan.make_host(i).map(Arc::new)).collect::<Result<_, _>>()?;
        let addresses = (0..wan.0.hosts).map(|i| wan.address(i)).collect();
        carry(devices, addresses, wan.0.line);
        Ok(wan)
    }
}

/// A network that is up. Hosts are counted from 0. It ends when this is dropped, and with it whatever still uses it loses its connections.
pub struct Wan(Network);

impl Wan {
    /// The address of a host.
    pub fn address(&self, host: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.0.subnet, host as u8 + 1)
    }

    /// The namespace of a host.
    pub fn namespace(&self, host: usize) -> String {
        format!("{}-{}", self.0.name, host + 1)
    }

    /// A program to be started on a host.
    pub fn command(&self, host: usize, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(host)]).arg(program);
        command
    }

    /// Does some work on a host, on a thread of its own, and waits for it: the sockets that it makes are the host's, and stay so.
    ///
    /// # Errors
    /// [`WanError::Enter`].
    ///
    /// # Panics
    /// If the work does.
    pub fn on_host<T: Send>(&self, host: usize, work: impl FnOnce() -> T + Send) -> Result<T, WanError> {
        let namespace = self.namespace(host);
        let enter = || -> io::Result<()> {
            let file = File::open(Path::new("/run/netns").join(&namespace))?;
            Ok(setns(file, CloneFlags::CLONE_NEWNET)?)
        };
        let there = thread::scope(|scope| scope.spawn(|| enter().map(|()| work())).join());
        let done = there.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        done.map_err(|cause| WanError::Enter { host: namespace, cause })
    }

    fn make_host(&self, host: usize) -> Result<SyncDevice, WanError> {
        let namespace = self.namespace(host);
        // Interface names are unique where they are made.
        let device = DeviceBuilder::new()
            .name(&namespace)
            .layer(Layer::L3)
            .with(|builder| {
                builder.offload(true);
            })
            .build_sync();
        let device = device.map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => WanError::NotPermitted { what: "a TUN device", cause },
            _ => WanError::Device(cause),
        })?;
        ip(&["netns", "add", &namespace])?;
        ip(&["link", "set", &namespace, "netns", &namespace])?;
        let within = |arguments: &[&str]| ip(&[&["-n", &namespace], arguments].concat());
        within(&["address", "add", &format!("{}/24", self.address(host)), "dev", &namespace])?;
        within(&["link", "set", &namespace, "up"])?;
        within(&["link", "set", "lo", "up"])?;
        for file in ["tcp_rmem", "tcp_wmem"] {
            let set = format!("echo 4096 131072 {TCP_BUFFER} > /proc/sys/net/ipv4/{file}");
            ip(&["netns", "exec", &namespace, "sh", "-c", &set])?;
        }
        Ok(device)
    }

    fn remove(&self) {
        for host in 0..self.0.hosts {
            // It may not be there. Its device goes with it.
            let _ = ip(&["netns", "delete", &self.namespace(host)]);
        }
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        self.remove();
    }
}

fn ip(arguments: &[&str]) -> Result<(), WanError> {
    let Output { status, stderr, .. } = Command::new("ip").args(arguments).output().map_err(WanError::NoIp)?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr).trim().to_owned();
    if said.contains("Operation not permitted") || said.contains("Permission denied") {
        return Err(WanError::NotPermitted { what: "a network namespace", cause: io::Error::other(said) });
    }
    Err(WanError::Ip { arguments: arguments.join(" "), said })
}
