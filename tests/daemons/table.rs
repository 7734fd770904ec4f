//! The daemons: how each is set up in a directory of its own, and how its clients speak with it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::clients::{Vanish, ask, ask_for, body, get, storm};
use harness::{bare, free_port, root};

pub struct Daemon {
    /// Writes its configuration, and returns the command.
    pub command: fn(&Place) -> Vec<String>,
    /// Asks as a client that stays, and asserts that the answer is right.
    pub answers: fn(&Place),
    /// Clients that go away in the middle of an answer.
    pub storm: fn(&Place),
    /// The process that was started leaves when the daemon is in the background.
    pub background: bool,
    /// Which process is to crash.
    pub victim: Victim,
    /// What is preloaded, in that order, [`OURS`] for the library.
    pub preload: &'static [&'static str],
    /// Where the end of the victim can be seen.
    pub end: End,
    /// How many threads the report must show, the crashed one included.
    pub threads: usize,
    /// The signal of the report where SIGSEGV is sent: that by which the daemon's own handler ends it.
    pub ends_by: &'static str,
    /// What the report must say besides.
    pub says: &'static str,
    /// Whether the daemon's own handler sends the signal again and returns: who has sent it first is known to nobody then.
    pub sends_again: bool,
    /// Whether it lives through vanishing clients without the library, too: then the bare run has them as well.
    pub survives_bare: bool,
}

/// The process that serves.
pub enum Victim {
    /// The one that was started, or what it became by going into the background.
    Main,
    /// One of so many children of it.
    Child(usize),
    /// The last one below it while a client is connected, who has said the first and been answered the second.
    OfClient(&'static [u8], &'static str),
}

/// Who says how the victim ended.
pub enum End {
    /// tests/programs/keeper.c, whose child it is.
    Kept,
    /// A line in a log file of the daemon's master, with the pid and these words.
    Logged(&'static str, &'static str),
    /// Nobody.
    Unseen,
}

/// A directory that everybody may read, and ports.
pub struct Place {
    pub path: PathBuf,
    pub port: u16,
}

impl Place {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nosigpipe-daemons.{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Not below target: a daemon that has given up root must get there.
        let path = std::env::temp_dir().join(name);
        let place = Self { path, port: free_port() };
        for (name, mode) in [("", 0o755), ("reports", 0o777), ("empty", 0o755), ("www", 0o755), ("data", 0o777)] {
            let path = place.path.join(name);
            fs::create_dir_all(&path).expect("the directory can be made");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        place.write("www/small", b"small\n");
        place.write("www/big", &vec![b'x'; BIG]);
        place
    }

    /// The name of a file in it.
    pub fn file(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, contents: &[u8]) -> String {
        fs::write(self.path.join(name), contents).expect("the directory can be written to");
        self.file(name)
    }

    /// A configuration with the directory for DIR and the port for PORT.
    fn configuration(&self, name: &str, text: &str) -> String {
        let text = text.replace("DIR", &self.path.display().to_string()).replace("PORT", &self.port.to_string());
        self.write(name, text.as_bytes())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left behind costs room, not truth.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Stands for our library.
pub const OURS: &str = "";

const BIG: usize = 4 << 20;
/// So many vanishing clients of each kind. tests/servers.rs has the large storms.
const CLIENTS: usize = 100;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn small_file(place: &Place) {
    let answer = ask(place.port, &get("/small")).expect("it answers");
    assert_eq!(body(&answer), b"small\n");
}

fn storm_of_get(place: &Place) {
    storm_of(place, &get("/small"), &get("/big"));
}

fn storm_of(place: &Place, small: &[u8], big: &[u8]) {
    for (request, how) in [(small, Vanish::AtOnce), (big, Vanish::After(1)), (big, Vanish::ResetAfter(1))] {
        assert_eq!(storm(place.port, request, how, CLIENTS), CLIENTS, "{how:?}");
    }
}

/// A process for each client, two of them, chroot, and a title that is written over argv and environ.
pub fn vsftpd() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "listen=YES\nlisten_ipv6=NO\nlisten_address=127.0.0.1\nlisten_port=PORT\nbackground=NO\n\
                    anonymous_enable=YES\nlocal_enable=NO\nno_anon_password=YES\nanon_root=DIR/www\n\
                    ftp_username=daemon\nnopriv_user=nobody\nsecure_chroot_dir=DIR/empty\nsetproctitle_enable=YES\n\
                    xferlog_enable=NO\n";
        vec!["/usr/sbin/vsftpd".into(), place.configuration("vsftpd.conf", conf)]
    }
    fn answers(place: &Place) {
        let mut session = ftp(place.port, b"USER anonymous\r\n", "230");
        let mut data = retrieve(&mut session, "small");
        let mut file = Vec::new();
        data.read_to_end(&mut file).expect("the file comes");
        assert_eq!(file, b"small\n");
        say(&mut session, b"", "226");
        say(&mut session, b"QUIT\r\n", "221");
    }
    fn storm(place: &Place) {
        for _ in 0..CLIENTS / 10 {
            let mut session = ftp(place.port, b"USER anonymous\r\n", "230");
            let mut data = retrieve(&mut session, "big");
            data.read_exact(&mut [0]).expect("the file begins");
            // Both ends are closed with something unread, which resets them.
            session.write_all(b"NOOP\r\nNOOP\r\n").expect("the session is there");
        }
    }
    let victim = Victim::OfClient(b"USER anonymous\r\n", "\n230 ");
    Daemon {
        command,
        answers,
        storm,
        victim,
        end: End::Unseen,
        threads: 1,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

fn ftp(port: u16, login: &[u8], code: &str) -> TcpStream {
    let mut session = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    session.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
    say(&mut session, b"", "220");
    say(&mut session, login, code);
    session
}

fn say(session: &mut TcpStream, line: &[u8], code: &str) -> String {
    session.write_all(line).expect("the session is there");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let mut byte = [0];
        session.read_exact(&mut byte).expect("it answers");
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with(code), "{answer}");
    answer
}

fn retrieve(session: &mut TcpStream, file: &str) -> TcpStream {
    let answer = say(session, b"PASV\r\n", "227");
    let numbers = answer.split(['(', ')']).nth(1).expect("an address in parentheses");
    let numbers: Vec<u16> = numbers.split(',').map(|number| number.parse().expect("a number")).collect();
    let data = TcpStream::connect(("127.0.0.1", numbers[4] * 256 + numbers[5])).expect("it listens for data");
    say(session, format!("RETR {file}\r\n").as_bytes(), "150");
    data
}

/// From root to www-data, a handler of its own that raises again, threads.
pub fn apache_event() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        apache(place, "event", "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\n")
    }
    let end = End::Logged("error.log", "exit signal");
    Daemon {
        command,
        answers: small_file,
        storm: storm_of_get,
        victim: Victim::Child(1),
        end,
        threads: 4,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: true,
        survives_bare: false,
        preload: &[OURS],
        background: true,
    }
}

/// The same with processes.
pub fn apache_prefork() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        apache(place, "prefork", "StartServers 2\nMinSpareServers 1\nMaxRequestWorkers 4\n")
    }
    Daemon { command, victim: Victim::Child(2), threads: 1, ..apache_event() }
}

fn apache(place: &Place, model: &str, limits: &str) -> Vec<String> {
    let modules = "/usr/lib/apache2/modules";
    let conf = format!(
        "ServerRoot DIR\nServerName localhost\nListen 127.0.0.1:PORT\nPidFile DIR/pid\nErrorLog DIR/error.log\n\
         LoadModule mpm_{model}_module {modules}/mod_mpm_{model}.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\n\
         User www-data\nGroup www-data\nDocumentRoot DIR/www\n{limits}"
    );
    let conf = place.configuration("apache.conf", &conf);
    words(&["/usr/sbin/apache2", "-f", &conf])
}

/// From root to nobody, with threads.
pub fn memcached() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let port = place.port.to_string();
        words(&["/usr/bin/memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", &port, "-U", "0", "-m", "64", "-t", "2"])
    }
    fn answers(place: &Place) {
        let answer = ask_for(place.port, b"set small 0 0 5\r\nsmall\r\nget small\r\n", 37).expect("it answers");
        assert_eq!(answer, b"STORED\r\nVALUE small 0 5\r\nsmall\r\nEND\r\n");
    }
    fn storm(place: &Place) {
        let set = [&b"set big 0 0 1000000\r\n"[..], &vec![b'x'; 1_000_000], b"\r\n"].concat();
        ask_for(place.port, &set, 8).expect("it answers");
        storm_of(place, b"get small\r\n", &b"get big\r\n".repeat(8));
    }
    Daemon {
        command,
        answers,
        storm,
        victim: Victim::Main,
        end: End::Kept,
        threads: 3,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

/// In the background, with a title and a crash handler of its own.
pub fn redis() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "bind 127.0.0.1\nport PORT\ndaemonize yes\npidfile DIR/pid\nlogfile DIR/redis.log\ndir DIR/data\n\
                    save \"\"\ncrash-memcheck-enabled no\n";
        vec!["/usr/bin/redis-server".into(), place.configuration("redis.conf", conf)]
    }
    fn answers(place: &Place) {
        let answer = ask_for(place.port, b"SET small small\r\nGET small\r\n", 16).expect("it answers");
        assert_eq!(answer, b"+OK\r\n$5\r\nsmall\r\n");
    }
    fn storm(place: &Place) {
        ask_for(place.port, b"SETRANGE big 4000000 x\r\n", 10).expect("it answers");
        storm_of(place, b"GET small\r\n", b"GET big\r\n");
    }
    Daemon {
        command,
        answers,
        storm,
        victim: Victim::Main,
        end: End::Kept,
        threads: 4,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: true,
    }
}

/// chroot and setuid, with threads.
pub fn unbound() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "server:\n chroot: DIR/empty\n directory: /\n username: nobody\n pidfile: \"\"\n use-syslog: no\n\
                    verbosity: 0\n num-threads: 2\n interface: 127.0.0.1\n port: PORT\n do-ip6: no\n\
                    local-data: \"small.test. A 192.0.2.7\"\nremote-control:\n control-enable: no\n";
        words(&["/usr/sbin/unbound", "-d", "-c", &place.configuration("unbound.conf", conf)])
    }
    fn answers(place: &Place) {
        let answer = ask_for(place.port, QUERY, 46).expect("it answers");
        assert!(answer.ends_with(&[192, 0, 2, 7]), "{answer:?}");
    }
    fn storm(place: &Place) {
        storm_of(place, QUERY, &QUERY.repeat(20));
    }
    Daemon {
        command,
        answers,
        storm,
        victim: Victim::Main,
        end: End::Kept,
        threads: 2,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

/// By TCP: its length, id 7, recursion desired, one question: small.test. IN A
const QUERY: &[u8] = b"\0\x1c\0\x07\x01\0\0\x01\0\0\0\0\0\0\x05small\x04test\0\0\x01\0\x01";

/// chroot and setuid, with threads, and never by name in /proc again.
pub fn haproxy() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "global\n chroot DIR/empty\n user nobody\n group nogroup\n nbthread 2\ndefaults\n mode http\n\
                    timeout client 10s\n timeout server 10s\n timeout connect 10s\nfrontend all\n bind 127.0.0.1:PORT\n\
                    http-request return status 200 content-type text/plain string \"small\\n\"\n";
        words(&["/usr/sbin/haproxy", "-db", "-f", &place.configuration("haproxy.cfg", conf)])
    }
    Daemon {
        command,
        answers: small_file,
        storm: storm_of_get,
        victim: Victim::Main,
        end: End::Kept,
        threads: 1,
        ends_by: "SIGSEGV",
        // Its chroot has no /proc.
        says: "other threads, if there are any, are missing: no process could be made",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

/// A master in the background and a worker, whose titles are written over argv and environ.
pub fn nginx() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "user nobody nogroup;\nworker_processes 1;\npid DIR/pid;\nerror_log DIR/error.log;\n\
                    events { worker_connections 64; }\n\
                    http { access_log off; server { listen 127.0.0.1:PORT; root DIR/www; } }\n";
        let conf = place.configuration("nginx.conf", conf);
        words(&["/usr/sbin/nginx", "-e", &place.file("error.log"), "-p", &place.file(""), "-c", &conf])
    }
    Daemon {
        command,
        answers: small_file,
        storm: storm_of_get,
        victim: Victim::Child(1),
        end: End::Logged("error.log", "exited on signal"),
        threads: 1,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: true,
    }
}

/// One process that gives up root.
pub fn lighttpd() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "server.bind = \"127.0.0.1\"\nserver.port = PORT\nserver.document-root = \"DIR/www\"\n\
                    server.username = \"nobody\"\nserver.errorlog = \"DIR/data/error.log\"\n";
        words(&["/usr/sbin/lighttpd", "-D", "-f", &place.configuration("lighttpd.conf", conf)])
    }
    Daemon {
        command,
        answers: small_file,
        storm: storm_of_get,
        victim: Victim::Main,
        end: End::Kept,
        threads: 1,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: true,
        preload: &[OURS],
        background: false,
    }
}

/// One process that gives up root, and speaks first when it likes to.
pub fn mosquitto() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let conf = "listener PORT 127.0.0.1\nallow_anonymous true\nuser nobody\nlog_dest file DIR/data/log\n";
        words(&["/usr/sbin/mosquitto", "-c", &place.configuration("mosquitto.conf", conf)])
    }
    fn answers(place: &Place) {
        // CONNECT as "c", PINGREQ: CONNACK, PINGRESP.
        let answer = ask_for(place.port, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c\xc0\0", 6).expect("it answers");
        assert_eq!(answer, b"\x20\x02\0\0\xd0\0");
    }
    fn storm(place: &Place) {
        let pings = [&b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01d"[..], &b"\xc0\0".repeat(100)].concat();
        storm_of(place, &pings, &pings);
    }
    Daemon {
        command,
        answers,
        storm,
        victim: Victim::Main,
        end: End::Kept,
        threads: 1,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

/// From root to nobody, with many threads and a crash handler of its own that raises again.
pub fn mariadb() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let (data, socket) = (place.file("data"), place.file("data/socket"));
        let port = place.port.to_string();
        [
            &words(&["/usr/sbin/mariadbd", "--no-defaults", "--skip-grant-tables", "--user=nobody"])[..],
            &[format!("--datadir={data}"), format!("--socket={socket}"), format!("--port={port}")],
            &words(&["--bind-address=127.0.0.1", "--default-storage-engine=MyISAM", "--skip-name-resolve"]),
            &words(&["--innodb-log-file-size=2M", "--innodb-buffer-pool-size=8M", "--innodb-fast-shutdown=2"]),
        ]
        .concat()
    }
    fn answers(place: &Place) {
        // The greeting: protocol 10, and the version.
        let greeting = ask_for(place.port, b"", 9).expect("it answers");
        assert!(greeting.starts_with(&[greeting[0], 0, 0, 0, 10]), "{greeting:?}");
    }
    fn storm(place: &Place) {
        storm_of(place, b"\x01\0\0\x01\x01", b"");
    }
    Daemon {
        command,
        answers,
        storm,
        victim: Victim::Main,
        end: End::Kept,
        threads: 5,
        ends_by: "SIGSEGV",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS],
        background: false,
    }
}

/// A JVM, whose library for signal handlers stands behind ours.
pub fn java_behind() -> Daemon {
    fn command(place: &Place) -> Vec<String> {
        let source = root().join("tests/daemons/Serve.java");
        let options = ["-J-Xshare:auto", "-J-XX:TieredStopAtLevel=1"];
        let outcome = bare("javac").args(options).arg("-d").arg(place.file("data")).arg(source);
        outcome.limit(Duration::from_secs(60)).run().assert_code(0);
        let port = place.port.to_string();
        let errors = format!("-XX:ErrorFile={}", place.file("hs_err"));
        words(&["java", "-Xmx64m", &errors, "-cp", &place.file("data"), "Serve", &port])
    }
    Daemon {
        command,
        answers: small_file,
        storm: storm_of_get,
        victim: Victim::Main,
        end: End::Kept,
        threads: 5,
        ends_by: "SIGABRT",
        says: "",
        sends_again: false,
        survives_bare: false,
        preload: &[OURS, JSIG],
        background: false,
    }
}

/// The same with that library before ours.
pub fn java_before() -> Daemon {
    Daemon { preload: &[JSIG, OURS], ..java_behind() }
}

const JSIG: &str = "/usr/lib/jvm/default-java/lib/libjsig.so";
