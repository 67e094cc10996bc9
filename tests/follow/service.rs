//! What the service manager hears.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

use crate::common::chain::Chain;
use crate::common::trial::Trial;
use crate::running::{Running, command};

/// Against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at(address: SocketAddr, name: String) -> Manager {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, name }
    }

    /// Whose socket has this path.
    fn at_path(path: &std::path::Path) -> Manager {
        let name = path.to_str().unwrap().to_owned();
        Manager::at(SocketAddr::from_pathname(path).unwrap(), name)
    }

    /// Whose socket has a name in no folder.
    fn abstract_one() -> Manager {
        let name = format!("blkdex-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Manager::at(address, format!("@{name}"))
    }

    fn begin(&self, import: &mut Command) -> Running {
        Running::begin(import.env("NOTIFY_SOCKET", &self.name))
    }

    /// The next lines that come in one message.
    fn hear(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let bytes = self.socket.recv(&mut message).unwrap();
        let text = std::str::from_utf8(&message[..bytes]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Everything up to a line that begins so.
    fn hear_until(&self, start: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.iter().any(|line: &String| line.starts_with(start)) {
            heard.extend(self.hear());
        }
        heard
    }
}

#[test]
fn it_is_ready_when_the_work_begins_and_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    for manager in [Manager::at_path(&path), Manager::abstract_one()] {
        let mut chain = Chain::of_coinbases(120);
        let mut trial = Trial::new(&chain);
        let running = manager.begin(&mut command(&trial.datadir.path, trial.index()));
        let begun = manager.hear_until("READY=1");
        assert!(
            begun.iter().all(|line| !line.starts_with("STATUS=at")),
            "{begun:?}"
        );
        let tip = chain.tip();
        assert!(
            begun.contains(&"EXTEND_TIMEOUT_USEC=60000000".to_owned()),
            "{begun:?}"
        );
        let status = manager.hear_until("STATUS=at");
        assert_eq!(
            *status.last().unwrap(),
            format!("STATUS=at height 120 ({tip})")
        );
        let tip = chain.mine_empty(tip, 1);
        trial.append(&chain);
        let status = manager.hear_until("STATUS=at");
        assert_eq!(
            *status.last().unwrap(),
            format!("STATUS=at height 121 ({tip})")
        );
        running.signal(libc::SIGTERM);
        let stopping = manager.hear_until("STOPPING=1");
        assert!(
            stopping.iter().all(|line| !line.starts_with("WATCHDOG")),
            "{stopping:?}"
        );
        let (status, _, words) = running.end();
        assert_eq!(status.code(), Some(0), "{words}");
    }
}

#[test]
fn a_watchdog_hears_of_it_while_it_rests_and_while_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::at_path(&folder.path().join("notify"));
    let chain = Chain::of_coinbases(2500);
    let trial = Trial::new(&chain);
    let mut import = command(&trial.datadir.path, trial.index());
    import
        .args(["--commit-every", "2"])
        .env("WATCHDOG_USEC", "200000");
    let running = manager.begin(&mut import);
    let on_the_way = manager.hear_until("STATUS=at");
    let alive = |heard: &[String]| heard.iter().filter(|line| *line == "WATCHDOG=1").count();
    assert!(alive(&on_the_way) > 1, "{on_the_way:?}");
    let resting = (0..5).map(|_| manager.hear_until("WATCHDOG=1"));
    assert_eq!(resting.map(|heard| alive(&heard)).sum::<usize>(), 5);
    running.signal(libc::SIGTERM);
    manager.hear_until("STOPPING=1");
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn a_watchdog_of_another_process_and_a_manager_that_is_gone_are_no_matter() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::at_path(&folder.path().join("notify"));
    let mut chain = Chain::of_coinbases(120);
    let mut trial = Trial::new(&chain);
    let mut import = command(&trial.datadir.path, trial.index());
    import
        .env("WATCHDOG_USEC", "200000")
        .env("WATCHDOG_PID", "1");
    let mut running = manager.begin(&mut import);
    let heard = manager.hear_until("STATUS=at");
    assert!(
        heard.iter().all(|line| !line.starts_with("WATCHDOG")),
        "{heard:?}"
    );
    running.line();
    drop(manager);
    chain.mine_empty(chain.tip(), 1);
    trial.append(&chain);
    assert_eq!(running.line()["height"], 121);
    running.signal(libc::SIGTERM);
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::at_path(&folder.path().join("notify"));
    let nowhere = folder.path().join("nowhere");
    let running = manager.begin(&mut command(&nowhere, &folder.path().join("i")));
    let heard = manager.hear_until("STOPPING=1");
    assert!(!heard.contains(&"READY=1".to_owned()), "{heard:?}");
    assert_eq!(running.end().0.code(), Some(1));
}
