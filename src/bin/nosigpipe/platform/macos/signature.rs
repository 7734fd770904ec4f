//! Code signatures: the flags and the entitlements that decide whether libraries can be inserted.
//!
//! The format is in xnu's osfmk/kern/cs_blobs.h: one blob that holds others (a super blob), with all numbers
//! big-endian.

/// With this entitlement, a program with the hardened runtime takes DYLD_INSERT_LIBRARIES.
pub const ALLOW_ENVIRONMENT: &str = "com.apple.security.cs.allow-dyld-environment-variables";
/// With this entitlement, it takes libraries that nobody has signed, or others than its maker.
pub const ALLOW_FOREIGN_LIBRARIES: &str = "com.apple.security.cs.disable-library-validation";

// Magic numbers of blobs, and flags of a code directory, by their names in cs_blobs.h.
const CSMAGIC_EMBEDDED_SIGNATURE: u32 = 0xfade_0cc0;
const CSMAGIC_CODEDIRECTORY: u32 = 0xfade_0c02;
const CSMAGIC_EMBEDDED_ENTITLEMENTS: u32 = 0xfade_7171;
const CSMAGIC_EMBEDDED_DER_ENTITLEMENTS: u32 = 0xfade_7172;
const CS_RESTRICT: u32 = 0x800;
const CS_REQUIRE_LV: u32 = 0x2000;
const CS_RUNTIME: u32 = 0x10000;

/// What a program's signature says.
#[derive(Default)]
pub struct Signature {
    /// Flags of all its code directories.
    flags: u32,
    /// Which of the two entitlements above it has.
    entitlements: Vec<&'static str>,
}

impl Signature {
    /// Reads LC_CODE_SIGNATURE's data; `None` when it is no signature.
    pub fn parse(blob: &[u8]) -> Option<Self> {
        if word(blob, 0)? != CSMAGIC_EMBEDDED_SIGNATURE {
            return None;
        }
        let mut signature = Self::default();
        let count = word(blob, 8)? as usize;
        // More blobs than any signature has are a sign of damage, and not looked at.
        for index in 0..count.min(64) {
            let start = word(blob, 12 + 8 * index + 4)? as usize;
            let part = blob.get(start..)?;
            let (magic, length) = (word(part, 0)?, word(part, 4)? as usize);
            let part = part.get(..length)?;
            match magic {
                // There may be a code directory for each kind of hash; all have the same flags.
                CSMAGIC_CODEDIRECTORY => signature.flags |= word(part, 12)?,
                CSMAGIC_EMBEDDED_ENTITLEMENTS => signature.add_entitlements(|name| xml_says(part, name)),
                CSMAGIC_EMBEDDED_DER_ENTITLEMENTS => signature.add_entitlements(|name| der_says(part, name)),
                _ => {}
            }
        }
        Some(signature)
    }

    /// Adds those of the two entitlements that a blob has, by a function that looks for one of them.
    fn add_entitlements(&mut self, says: impl Fn(&str) -> bool) {
        for name in [ALLOW_ENVIRONMENT, ALLOW_FOREIGN_LIBRARIES] {
            if says(name) && !self.entitlements.contains(&name) {
                self.entitlements.push(name);
            }
        }
    }

    /// Whether dyld takes DYLD_INSERT_LIBRARIES in this program.
    pub fn takes_environment(&self) -> bool {
        self.flags & (CS_RUNTIME | CS_RESTRICT) == 0 || self.entitlements.contains(&ALLOW_ENVIRONMENT)
    }

    /// Whether libraries can be inserted that its maker has not signed.
    pub fn takes_foreign_libraries(&self) -> bool {
        self.flags & (CS_RUNTIME | CS_REQUIRE_LV) == 0 || self.entitlements.contains(&ALLOW_FOREIGN_LIBRARIES)
    }
}

/// Whether a property list in XML says that the entitlement is given: `<key>NAME</key><true/>`, with white space in
/// between.
fn xml_says(plist: &[u8], name: &str) -> bool {
    let key = format!("<key>{name}</key>");
    let position = plist.windows(key.len()).position(|window| window == key.as_bytes());
    let value = position.and_then(|at| plist.get(at + key.len()..)).unwrap_or_default();
    value.trim_ascii_start().starts_with(b"<true/>")
}

/// Whether entitlements in DER say that this one is given: behind a UTF8String with its name stands a BOOLEAN that is
/// true.
fn der_says(der: &[u8], name: &str) -> bool {
    let position = der.windows(name.len()).position(|window| window == name.as_bytes());
    let value = position.and_then(|at| der.get(at + name.len()..)).unwrap_or_default();
    matches!(value, [0x01, 0x01, truth, ..] if *truth != 0)
}

/// A big-endian number of 4 bytes.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
