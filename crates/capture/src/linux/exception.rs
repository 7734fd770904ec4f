//! The C++ exception that has ended the program.
//!
//! Nothing of the program is called. Exceptions and their types are read as the Itanium C++ ABI and its two runtimes, libstdc++ and
//! libc++abi, lay them out (unwind-cxx.h, cxa_exception.h, private_typeinfo.h). Any of it may be damaged or freed: no address is
//! taken to be mapped, and each list is bounded.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use report::Exception;

use crate::platform::thread_pointer;
use crate::process::{Memory, ReadMemory, ReadOwned};
use symbols::demangle;

/// `exception_class`: vendor and language. The last byte is 1 for a dependent exception (std::rethrow_exception).
const CLASSES: [u64; 2] = [u64::from_be_bytes(*b"GNUCC++\0"), u64::from_be_bytes(*b"CLNGC++\0")];
/// Size of struct _Unwind_Exception, which lies between the rest of struct __cxa_exception and the thrown object. Here it is called
/// the header of an exception, and an exception is known by the header's address.
const HEADER: u64 = 32;
/// How far `exceptionType`, the first member of struct __cxa_exception, lies in front of the header.
const TYPE: u64 = 80;
/// How far `handlerCount`, an int, lies in front of the header.
const HANDLER_COUNT: u64 = 40;
/// Largest `handlerCount` that is believed.
const MOST_HANDLERS: u32 = 1000;
/// Exceptions that are reported at most of those nested in one another (std::throw_with_nested).
const NESTED: usize = 8;
/// Base classes that are looked at for one exception.
const BASES: usize = 64;

/// The crashed thread's last exception that is uncaught or still handled, and those nested in it. `sp` is the thread's stack pointer.
pub fn exceptions(memory: &mut Memory, sp: u64) -> Vec<Exception> {
    let mut found = Vec::new();
    let header = match thread_local(memory) {
        ThreadLocal::Found(header) => Some(header),
        ThreadLocal::None => None,
        ThreadLocal::Unreadable => on_stack(memory, sp),
    };
    let Some(header) = header else { return found };
    let Some((class, object)) = object_of(memory, header) else { return found };
    // std::terminate() is called with the exception counted as caught (__cxa_begin_catch). Thrown again, it was counted before.
    let handlers = memory.u32_at(header.wrapping_sub(HANDLER_COUNT)).filter(|handlers| *handlers <= MOST_HANDLERS);
    let is_rethrown = class & 1 != 0 || handlers.is_some_and(|handlers| handlers > 1);
    let mut next = Some(object);
    while let Some(object) = next.take().filter(|&object| object != 0 && found.len() < NESTED) {
        let Some(kind) = memory.u64_at(object.wrapping_sub(HEADER + TYPE)) else { break };
        let mut exception = Exception { is_rethrown: is_rethrown && found.is_empty(), ..Exception::default() };
        let mut left = BASES;
        look(memory, kind, object, &mut exception, &mut next, &mut left);
        if exception.kind.is_empty() {
            break;
        }
        found.push(exception);
    }
    found
}

/// The class of an exception, by its header, and the address of the thrown object.
fn object_of(memory: &mut Memory, header: u64) -> Option<(u64, u64)> {
    let class = memory.u64_at(header)?;
    let object = match class & 1 {
        0 => header.wrapping_add(HEADER),
        // struct __cxa_dependent_exception begins with the object's address; libc++abi's has 8 bytes more in front.
        _ if class >> 8 == CLASSES.map(|class| class >> 8)[0] => memory.u64_at(header.wrapping_sub(TYPE))?,
        _ => memory.u64_at(header.wrapping_sub(TYPE + 8))?,
    };
    Some((class, object))
}

/// What the thread-local struct __cxa_eh_globals of the runtimes tells.
enum ThreadLocal {
    /// The header of its first exception.
    Found(u64),
    /// There is no exception.
    None,
    /// Thread-local storage can't be read.
    Unreadable,
}

/// Looks for `caughtExceptions` in the thread-local storage of all modules. Where in it the runtimes keep their globals, no symbol
/// tells: whatever points to an exception is taken for it.
fn thread_local(memory: &mut Memory) -> ThreadLocal {
    /// Modules that are looked at.
    const MODULES: u64 = 256;
    /// Pointers in the storage of one module that are looked at.
    const WORDS: u64 = 512;
    /// Pointers in struct pthread up to the end of the values of the first 32 keys.
    const CONTROL_BLOCK: u64 = 288;
    /// Offset of `dtv`, the dynamic thread vector, in glibc's thread control block.
    const DTV: u64 = if cfg!(target_arch = "aarch64") { 0 } else { 8 };
    let thread = thread_pointer() as u64;
    let Some(vector) = memory.u64_at(thread.wrapping_add(DTV)) else { return ThreadLocal::Unreadable };
    // An entry is an address and what has to be freed, 16 bytes. The one in front of the vector has the number of entries.
    let Some(count) = memory.u64_at(vector.wrapping_sub(16)).filter(|count| (1..1 << 20).contains(count)) else {
        return ThreadLocal::Unreadable;
    };
    for module in 1..=count.min(MODULES) {
        let block = memory.u64_at(vector.wrapping_add(module * 16)).unwrap_or(0);
        if block == 0 || block & 7 != 0 {
            continue;
        }
        for word in 0..WORDS {
            let Some(exception) = memory.u64_at(block.wrapping_add(word * 8)) else { break };
            if exception < 1 << 16 || exception & 7 != 0 {
                continue;
            }
            if let Some(header) = header_of(memory, exception) {
                return ThreadLocal::Found(header);
            }
        }
    }
    // libc++abi may keep its globals by pthread_setspecific(3), whose first values are in the control block.
    for word in 0..CONTROL_BLOCK {
        let globals = memory.u64_at(thread.wrapping_add(word * 8)).filter(|globals| globals & 7 == 0).unwrap_or(0);
        let exception = if globals < 1 << 16 { 0 } else { memory.u64_at(globals).unwrap_or(0) };
        if let Some(header) = header_of(memory, exception) {
            return ThreadLocal::Found(header);
        }
    }
    ThreadLocal::None
}

/// The header of an exception by the address of its struct __cxa_exception; `None` if that is none.
fn header_of(memory: &mut Memory, exception: u64) -> Option<u64> {
    // libc++abi's structure begins with 16 bytes more.
    let headers = [exception.wrapping_add(TYPE), exception.wrapping_add(TYPE + 16)];
    headers.into_iter().find(|&header| exception > 1 << 16 && is_header(memory, header))
}

/// Whether this is the address of an exception's header.
fn is_header(memory: &mut Memory, header: u64) -> bool {
    memory.u64_at(header).is_some_and(|class| CLASSES.contains(&(class & !1)))
}

/// Looks for the header on the stack, where thread-local storage can't be read: the functions that have called std::terminate() were
/// given its address.
fn on_stack(memory: &mut Memory, sp: u64) -> Option<u64> {
    const WORDS: u64 = 2048;
    (0..WORDS).find_map(|word| memory.u64_at(sp.wrapping_add(word * 8)).filter(|&entry| is_header(memory, entry)))
}

/// Adds to `exception` what an object tells whose type_info is at `kind`, and then its base classes. `nested` becomes the header of the
/// exception nested in it; `left` is how many more types may be looked at.
fn look(
    memory: &mut Memory,
    kind: u64,
    object: u64,
    exception: &mut Exception,
    nested: &mut Option<u64>,
    left: &mut usize,
) {
    if core::mem::replace(left, left.saturating_sub(1)) == 0 {
        return;
    }
    let name_of = |memory: &mut Memory, kind: u64| {
        let name = memory.u64_at(kind.wrapping_add(8)).map(|name| memory.text(name)).unwrap_or_default();
        // Types that are local to a file have an asterisk in front.
        name.trim_start_matches('*').to_owned()
    };
    let mangled = name_of(memory, kind);
    if mangled.is_empty() {
        return;
    }
    // The class of the type_info tells what kind of type it is: __class_type_info, __pointer_type_info and so on.
    let table = memory.u64_at(kind).unwrap_or(0);
    let meta = memory.u64_at(table.wrapping_sub(8)).map(|meta| name_of(memory, meta)).unwrap_or_default();
    if exception.kind.is_empty() {
        exception.kind = type_name(&mangled);
        if !meta.contains("class_type_info") {
            exception.what = value(memory, &mangled, &meta, object);
            return;
        }
    }
    let text_at =
        |memory: &mut Memory, entry: u64| memory.u64_at(entry).map(|text| memory.text(text)).unwrap_or_default();
    match mangled.as_str() {
        // These two have a pointer to their text behind the virtual table's.
        "St13runtime_error" | "St11logic_error" => exception.what = text_at(memory, object.wrapping_add(8)),
        "St12system_error" | "NSt3__112system_errorE" | "St12future_error" | "NSt3__112future_errorE" => {
            let number = memory.u32_at(object.wrapping_add(16)).unwrap_or(0).cast_signed();
            let category = memory.u64_at(object.wrapping_add(24)).and_then(|category| memory.u64_at(category));
            let category = category.and_then(|table| memory.u64_at(table.wrapping_sub(8)));
            let category = category.map(|kind| type_name(&name_of(memory, kind))).unwrap_or_default();
            let category = category.rsplit("::").next().unwrap_or_default().to_owned();
            exception.code = Some((i64::from(number), category));
        }
        "St16nested_exception" => *nested = memory.u64_at(object.wrapping_add(8)),
        _ if mangled.starts_with("NSt") && mangled.contains("basic_stringIc") && left.saturating_add(1) == BASES => {
            exception.what = string(memory, &mangled, object);
        }
        _ => {}
    }
    if meta.contains("si_class") {
        if let Some(base) = memory.u64_at(kind.wrapping_add(16)) {
            look(memory, base, object, exception, nested, left);
        }
    } else if meta.contains("vmi_class") {
        let count = memory.u32_at(kind.wrapping_add(20)).unwrap_or(0).min(BASES as u32);
        for index in 0..u64::from(count) {
            let entry = kind.wrapping_add(24 + 16 * index);
            let (Some(base), Some(flags)) = (memory.u64_at(entry), memory.u64_at(entry.wrapping_add(8))) else { break };
            let mut offset = flags.cast_signed() >> 8;
            if flags & 1 != 0 {
                // A virtual base: its offset is in the object's virtual table.
                let table = memory.u64_at(object).unwrap_or(0);
                offset = memory.u64_at(table.wrapping_add_signed(offset)).unwrap_or(0).cast_signed();
            }
            look(memory, base, object.wrapping_add_signed(offset), exception, nested, left);
        }
    }
}

/// A type's name as the source has it.
fn type_name(mangled: &str) -> String {
    let whole = demangle(format!("_ZTS{mangled}").as_bytes());
    let whole = whole.trim_start_matches("typeinfo name for ");
    // std::throw_with_nested throws a class of its own that is derived from the given type.
    let inner = ["std::_Nested_exception<", "std::__nested<"].into_iter().find_map(|outer| whole.strip_prefix(outer));
    inner.and_then(|inner| inner.strip_suffix('>')).unwrap_or(whole).to_owned()
}

/// What was thrown, if it is a number, a pointer or a C string. `mangled` is its type, as the Itanium C++ ABI encodes builtin types.
fn value(memory: &mut Memory, mangled: &str, meta: &str, object: u64) -> String {
    // As a type of up to 32 bits, and as one of 64.
    let (Some(narrow), Some(wide)) = (memory.u32_at(object), memory.u64_at(object)) else { return String::new() };
    match mangled {
        "b" => (narrow & 1 != 0).to_string(),
        "c" | "a" => (narrow as i8).to_string(),
        "h" => (narrow as u8).to_string(),
        "s" => (narrow as i16).to_string(),
        "t" => (narrow as u16).to_string(),
        "i" => narrow.cast_signed().to_string(),
        "j" => narrow.to_string(),
        "l" | "x" => wide.cast_signed().to_string(),
        "m" | "y" => wide.to_string(),
        "f" => format!("{:?}", f32::from_bits(narrow)),
        "d" => format!("{:?}", f64::from_bits(wide)),
        "PKc" | "Pc" => memory.text(wide),
        _ if mangled.starts_with('P') => format!("{wide:#x}"),
        _ if meta.contains("enum") => narrow.cast_signed().to_string(),
        _ => String::new(),
    }
}

/// A std::string: libstdc++'s begins with the address of its characters, libc++'s has short ones behind its first byte, whose lowest
/// bit is set for long ones.
fn string(memory: &mut Memory, mangled: &str, object: u64) -> String {
    let first = memory.u64_at(object).unwrap_or(0);
    if mangled.starts_with("NSt7__cxx11") {
        memory.text(first)
    } else if first & 1 == 0 {
        memory.text(object.wrapping_add(1))
    } else {
        memory.u64_at(object.wrapping_add(16)).map(|text| memory.text(text)).unwrap_or_default()
    }
}
