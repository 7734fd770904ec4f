//! Code signatures: the flags and the entitlements that decide about inserted libraries.
//!
//! The format is in xnu's osfmk/kern/cs_blobs.h: a super blob of blobs, all numbers big-endian.

/// Lets DYLD_INSERT_LIBRARIES through the hardened runtime.
pub const ALLOW_ENVIRONMENT: &str = "com.apple.security.cs.allow-dyld-environment-variables";
/// Lets in libraries that others have signed, or nobody.
pub const ALLOW_FOREIGN_LIBRARIES: &str = "com.apple.security.cs.disable-library-validation";

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
    flags: u32,
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
        for index in 0..count.min(64) {
            let start = word(blob, 12 + 8 * index + 4)? as usize;
            let part = blob.get(start..)?;
            let (magic, length) = (word(part, 0)?, word(part, 4)? as usize);
            let part = part.get(..length)?;
            match magic {
                // There may be one for each kind of hash; all say the same.
                CSMAGIC_CODEDIRECTORY => signature.flags |= word(part, 12)?,
                CSMAGIC_EMBEDDED_ENTITLEMENTS => signature.add_entitlements(|name| xml_says(part, name)),
                CSMAGIC_EMBEDDED_DER_ENTITLEMENTS => signature.add_entitlements(|name| der_says(part, name)),
                _ => {}
            }
        }
        Some(signature)
    }

    fn add_entitlements(&mut self, says: impl Fn(&str) -> bool) {
        for name in [ALLOW_ENVIRONMENT, ALLOW_FOREIGN_LIBRARIES] {
            if says(name) && !self.entitlements.contains(&name) {
                self.entitlements.push(name);
            }
        }
    }

    /// Whether dyld will see DYLD_INSERT_LIBRARIES.
    pub fn takes_environment(&self) -> bool {
        self.flags & (CS_RUNTIME | CS_RESTRICT) == 0 || self.entitlements.contains(&ALLOW_ENVIRONMENT)
    }

    /// Whether libraries may be inserted that its maker has not signed.
    pub fn takes_foreign_libraries(&self) -> bool {
        self.flags & (CS_RUNTIME | CS_REQUIRE_LV) == 0 || self.entitlements.contains(&ALLOW_FOREIGN_LIBRARIES)
    }
}

/// `<key>NAME</key><true/>`, with white space between them.
fn xml_says(plist: &[u8], name: &str) -> bool {
    let key = format!("<key>{name}</key>");
    let position = plist.windows(key.len()).position(|window| window == key.as_bytes());
    let value = position.and_then(|at| plist.get(at + key.len()..)).unwrap_or_default();
    value.trim_ascii_start().starts_with(b"<true/>")
}

/// A UTF8String with the name and a BOOLEAN that is true behind it.
fn der_says(der: &[u8], name: &str) -> bool {
    let position = der.windows(name.len()).position(|window| window == name.as_bytes());
    let value = position.and_then(|at| der.get(at + name.len()..)).unwrap_or_default();
    matches!(value, [0x01, 0x01, truth, ..] if *truth != 0)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
