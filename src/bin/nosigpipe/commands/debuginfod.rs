//! A part of `report`: debug files from debuginfod servers (elfutils), and the cache that all clients of these share.
//!
//! Requests, cache and environment variables are those of debuginfod(8) and debuginfod-client-config(7). A server that can't be
//! reached or hangs is not asked again, so that a report with many modules does not wait for it for each of them.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use report::{Module, Report};
use symbols::{DebugFiles, elf};

use crate::exit::Failure;
use crate::output::{self, complain};

/// Bytes of a file, at most, unless DEBUGINFOD_MAXSIZE says otherwise. The largest debug files (browsers') have that.
const MOST: u64 = 4 << 30;
/// Seconds that a file may take, at most, unless DEBUGINFOD_MAXTIME says otherwise.
const LONGEST: u64 = 600;
/// Seconds in which a server has to deliver the [`FIRST`] bytes, unless DEBUGINFOD_TIMEOUT says otherwise.
const TIMEOUT: u64 = 90;
/// How many bytes those are.
const FIRST: u64 = 100 << 10;
/// Redirections that are followed.
const REDIRECTIONS: u32 = 5;

/// Directories of this user's caches, as clients of debuginfod lay them out (BUILDID/debuginfo); those that are there.
pub fn caches() -> Vec<String> {
    let candidates = match variable("DEBUGINFOD_CACHE_PATH") {
        Some(path) => vec![path],
        None => [old_cache(), new_cache()].into_iter().flatten().collect(),
    };
    candidates.into_iter().filter(|path| Path::new(path).is_dir()).collect()
}

/// Where new files go; `None` without a home directory.
fn cache() -> Option<String> {
    let old = || old_cache().filter(|old| Path::new(old).is_dir());
    variable("DEBUGINFOD_CACHE_PATH").or_else(old).or_else(new_cache)
}

fn old_cache() -> Option<String> {
    Some(format!("{}/.debuginfod_client_cache", variable("HOME")?))
}

fn new_cache() -> Option<String> {
    let caches = variable("XDG_CACHE_HOME").or_else(|| Some(format!("{}/.cache", variable("HOME")?)))?;
    Some(format!("{caches}/debuginfod_client"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a cache has something about one of these modules.
pub fn has_any(cache: &str, modules: &[Module]) -> bool {
    let has = |module: &Module| is_build_id(&module.build_id) && Path::new(cache).join(&module.build_id).is_dir();
    modules.iter().any(has)
}

/// Whether that can be one: reports come from outside, and it becomes a part of paths. Two bytes at least, since the first is a
/// directory of its own.
pub fn is_build_id(id: &str) -> bool {
    (4..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why there is no file.
enum Problem {
    /// The server has none of this build id.
    NotThere,
    /// This file can't be had.
    File(String),
    /// Nothing can be had from this server.
    Server(String),
}

/// A number of an environment variable; what holds without it.
fn number(name: &str, default: u64) -> u64 {
    let Some(value) = variable(name) else { return default };
    value.trim().parse().unwrap_or_else(|_| {
        complain(&format!("{name} is \"{value}\", which is no number: it is taken to be {default}"));
        default
    })
}

/// Servers to ask, and what they may take.
pub struct Servers {
    urls: Vec<String>,
    cache: PathBuf,
    most: u64,
    longest: Option<Duration>,
    timeout: Option<Duration>,
    map_file: fn(&str) -> Option<&'static [u8]>,
}

impl Servers {
    /// `urls` with spaces between them, as DEBUGINFOD_URLS has them, which holds if that is empty.
    pub fn new(urls: &str, map_file: fn(&str) -> Option<&'static [u8]>) -> Result<Self, Failure> {
        let named = if urls.is_empty() { variable("DEBUGINFOD_URLS").unwrap_or_default() } else { urls.to_owned() };
        // Newer clients take words such as `ima:enforcing` between the URLs.
        let words = named.split_ascii_whitespace().filter(|word| !word.starts_with("ima:"));
        let (urls, others): (Vec<_>, Vec<_>) =
            words.map(str::to_owned).partition(|word| word.starts_with("http://") || word.starts_with("https://"));
        for other in others {
            complain(&format!("{other} is left out: it is no URL that starts with http:// or https://"));
        }
        if urls.is_empty() {
            return Err(Failure::refused("--debuginfod needs a server: set DEBUGINFOD_URLS, or give --debuginfod=URL"));
        }
        let cache = cache().ok_or_else(|| {
            Failure::refused("there is no directory to keep debug files in: set DEBUGINFOD_CACHE_PATH")
        })?;
        let unless_zero = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        let most = number("DEBUGINFOD_MAXSIZE", MOST);
        Ok(Self {
            urls,
            cache: cache.into(),
            most: if most == 0 { u64::MAX } else { most },
            longest: unless_zero(number("DEBUGINFOD_MAXTIME", LONGEST)),
            timeout: unless_zero(number("DEBUGINFOD_TIMEOUT", TIMEOUT)),
            map_file,
        })
    }

    /// The directory that files are put into.
    pub fn cache(&self) -> String {
        self.cache.to_string_lossy().into_owned()
    }

    /// Gets what is missing for the stacks of a report. What can't be had is told on standard error, a line each.
    pub fn fetch(&mut self, report: &Report, directories: &[String]) {
        let others = report.threads.iter().flat_map(|group| &group.frames);
        let (mut seen, mut missing) = (BTreeSet::new(), 0usize);
        for index in report.frames.iter().chain(others).filter_map(|frame| frame.module) {
            let module = usize::try_from(index).ok().and_then(|index| report.modules.get(index));
            let Some(module) = module.filter(|module| is_build_id(&module.build_id) && !module.path.starts_with('['))
            else {
                continue;
            };
            let debug_files = DebugFiles { directories, open: self.map_file, variables: false };
            let id = module.build_id.as_str();
            if self.urls.is_empty()
                || !seen.insert(id.to_owned())
                || elf::Symbols::find(&module.path, id, None, debug_files, true).has_lines()
            {
                continue;
            }
            let Some(file) = self.get(id, "debuginfo", module.name()) else {
                missing += 1;
                // A program that is not on this machine has names, too.
                if !Path::new(&module.path).exists() {
                    self.get(id, "executable", module.name());
                }
                continue;
            };
            // What several debug files have in common is in a file of its own (dwz).
            let supplementary = file.supplementary_build_id().filter(|id| is_build_id(id) && seen.insert(id.clone()));
            if let Some(id) = supplementary.filter(|id| elf::open_debug_file(id, debug_files).is_none()) {
                self.get(&id, "debuginfo", module.name());
            }
        }
        if missing > 0 {
            let these = if missing == 1 { "module" } else { "modules" };
            complain(&format!("no debug file was to be had for {missing} {these} of the report"));
        }
    }

    /// A file of this build id, from the first server that has it.
    fn get(&mut self, id: &str, kind: &str, name: &str) -> Option<elf::File> {
        let mut index = 0;
        while let Some(base) = self.urls.get(index) {
            let url = format!("{}/buildid/{id}/{kind}", base.trim_end_matches('/').trim_end_matches("/buildid"));
            match self.download(&url, id, kind, name) {
                Ok(file) => return Some(file),
                Err(Problem::NotThere) => index += 1,
                Err(Problem::File(problem)) => {
                    complain(&format!("{url}: {problem}"));
                    index += 1;
                }
                Err(Problem::Server(problem)) => {
                    complain(&format!("{url}: {problem}; this server is not asked again"));
                    self.urls.remove(index);
                }
            }
        }
        None
    }

    /// Downloads a file and puts it into the cache when all of it is there and right.
    fn download(&self, url: &str, id: &str, kind: &str, name: &str) -> Result<elf::File, Problem> {
        let mut body = self.open(url)?;
        let directory = self.cache.join(id);
        let in_cache = |error: &io::Error| Problem::File(format!("{}: {error}", output::path(&directory)));
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|error| in_cache(&error))?;
        let aside = directory.join(format!(".{kind}.{}", std::process::id()));
        let done = self.save(&mut body, &aside, name).map_err(|problem| match problem {
            Saving::Problem(problem) => problem,
            Saving::Cache(error) => in_cache(&error),
        });
        let checked = done.and_then(|()| body.finish()).and_then(|()| {
            let file = (self.map_file)(&aside.to_string_lossy()).and_then(elf::File::parse);
            let file = file.filter(|file| file.build_id().is_some_and(|found| symbols::hex(found) == id));
            let file = file.ok_or_else(|| Problem::File("what came is no ELF file of this build id".to_owned()))?;
            fs::rename(&aside, directory.join(kind)).map_err(|error| in_cache(&error))?;
            Ok(file)
        });
        if checked.is_err() {
            // Neither is of use to anybody; a directory with something in it stays.
            let _ = fs::remove_file(&aside);
            let _ = fs::remove_dir(&directory);
        }
        checked
    }

    /// Writes a file as it comes, within the limits.
    fn save(&self, body: &mut Body, to: &Path, name: &str) -> Result<(), Saving> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(Saving::Cache)?;
        let begin = Instant::now();
        let mut progress = Progress::new(name);
        let (mut done, mut buffer) = (0u64, vec![0; 64 << 10]);
        loop {
            let length = body.read(&mut buffer).map_err(|error| Problem::Server(error.to_string()))?;
            if length == 0 {
                return Ok(());
            }
            done += length as u64;
            let took = begin.elapsed();
            if done > self.most {
                return Err(Problem::File(self.too_large()).into());
            }
            if let Some(longest) = self.longest.filter(|&longest| took > longest) {
                return Err(Problem::Server(format!("it took longer than {} s", longest.as_secs())).into());
            }
            if let Some(timeout) = self.timeout.filter(|&timeout| took > timeout && done < FIRST) {
                return Err(Problem::Server(format!("less than 100 kB came in {} s", timeout.as_secs())).into());
            }
            file.write_all(buffer.get(..length).unwrap_or_default()).map_err(Saving::Cache)?;
            progress.show(done);
        }
    }

    fn too_large(&self) -> String {
        format!("it has more than {} bytes (DEBUGINFOD_MAXSIZE)", self.most)
    }

    /// Asks for a file. The server has answered that it has it when this returns.
    fn open(&self, url: &str) -> Result<Body, Problem> {
        if url.starts_with("https://") {
            return self.open_by_curl(url);
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(REDIRECTIONS)
            .timeout_global(self.longest)
            .timeout_connect(self.timeout)
            .timeout_recv_response(self.timeout)
            .timeout_per_read(self.timeout)
            .user_agent(concat!("nosigpipe/", env!("CARGO_PKG_VERSION")))
            .build();
        let response = config.new_agent().get(url).call().map_err(|error| match error {
            ureq::Error::TlsRequired => {
                Problem::Server("it leads to https: give that URL of the server instead".to_owned())
            }
            other => Problem::Server(other.to_string()),
        })?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(Problem::NotThere),
            // Of a server that is asked too often, or has no time, nothing else is to be had either.
            status @ (429 | 500..) => return Err(Problem::Server(format!("the server answers with status {status}"))),
            status => return Err(Problem::File(format!("the server answers with status {status}"))),
        }
        let size = |name| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        if ["content-length", "x-debuginfod-size"].into_iter().filter_map(size).any(|size| size > self.most) {
            return Err(Problem::File(self.too_large()));
        }
        Ok(Body::Http(Box::new(response.into_body().into_reader())))
    }

    /// By curl(1), as elfutils' own client by its library: the machine's certificates and its proxies hold there.
    fn open_by_curl(&self, url: &str) -> Result<Body, Problem> {
        let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs()).to_string();
        let mut curl = Command::new("curl");
        curl.args(["-q", "--silent", "--show-error", "--fail", "--location", "--proto", "=https"])
            .args(["--max-redirs", &REDIRECTIONS.to_string(), "--connect-timeout", &seconds(self.timeout)])
            .args(["--max-time", &seconds(self.longest), "--speed-limit", "1", "--speed-time", &seconds(self.timeout)])
            .args(["--user-agent", concat!("nosigpipe/", env!("CARGO_PKG_VERSION")), "--", url])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = curl.spawn().map_err(|error| {
            Problem::Server(match error.kind() {
                io::ErrorKind::NotFound => "https needs curl(1), which is not installed here".to_owned(),
                _ => format!("curl can't be started: {error}"),
            })
        })?;
        let stdout = child.stdout.take().ok_or_else(|| Problem::Server("curl has no output".to_owned()))?;
        Ok(Body::Curl { child, stdout })
    }
}

/// Why a file was not saved.
enum Saving {
    /// What came, or did not come.
    Problem(Problem),
    /// The cache can't be written.
    Cache(io::Error),
}

impl From<Problem> for Saving {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// What a server sends.
enum Body {
    Http(Box<dyn Read>),
    Curl { child: Child, stdout: ChildStdout },
}

impl Body {
    /// At the end: whether there was an error that the content does not tell of.
    fn finish(&mut self) -> Result<(), Problem> {
        let Self::Curl { child, .. } = self else { return Ok(()) };
        let mut said = String::new();
        let stderr = child.stderr.take().map(|stderr| stderr.take(4096).read_to_string(&mut said));
        let status = child.wait().map_err(|error| Problem::Server(error.to_string()))?;
        let said = said.lines().next().unwrap_or("curl failed");
        match status.code() {
            Some(0) if stderr.is_none_or(|read| read.is_ok()) => Ok(()),
            // "The requested URL returned error: 404"
            Some(22) if said.ends_with("404") => Err(Problem::NotThere),
            _ => Err(Problem::Server(said.to_owned())),
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Http(reader) => reader.read(buffer),
            Self::Curl { stdout, .. } => stdout.read(buffer),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Self::Curl { child, .. } = self {
            // It has ended, or nobody wants what it would bring.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How much has come, on standard error if that is a terminal.
struct Progress<'a> {
    name: &'a str,
    /// When it was shown last; `None` where it is not shown.
    shown: Option<Instant>,
}

impl<'a> Progress<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, shown: io::stderr().is_terminal().then(Instant::now) }
    }

    fn show(&mut self, bytes: u64) {
        const INTERVAL: Duration = Duration::from_millis(200);
        if self.shown.is_some_and(|shown| shown.elapsed() > INTERVAL) {
            self.shown = Some(Instant::now());
            let megabytes = bytes / 1_000_000;
            // It is only for the eye.
            let _ = write!(io::stderr(), "\rnosigpipe: debug file of {}: {megabytes} MB", output::name(self.name));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
