//! The built-in library: Lua files that are part of the program. A file of the same name in the project's own library wins.

/// Module name and text of each file.
const MODULES: &[(&str, &str)] = &[
    ("hotfix", include_str!("../../lualib/hotfix.lua")),
    ("skynet", include_str!("../../lualib/skynet.lua")),
    ("skynet.debug", include_str!("../../lualib/skynet/debug.lua")),
    ("skynet.manager", include_str!("../../lualib/skynet/manager.lua")),
    ("skynet.request", include_str!("../../lualib/skynet/request.lua")),
];

/// Services that come with the program: script name and text.
const SERVICES: &[(&str, &str)] = &[
    ("debug_console", include_str!("../../lualib/hotlua/debug_console.lua")),
    ("launcher", include_str!("../../lualib/hotlua/launcher.lua")),
    ("service_mgr", include_str!("../../lualib/hotlua/service_mgr.lua")),
];

/// A part of `skynet` that is loaded with the first look at one of its functions.
pub struct Part {
    /// How its file is called in messages.
    pub label: &'static str,
    /// Its file, which gets the table `skynet.core` and returns its functions by name.
    pub text: &'static str,
    /// Their names.
    pub names: &'static [&'static str],
}

/// Answers that come late, or from many.
const ANSWERS: Part = Part {
    label: "skynet.answers",
    text: include_str!("../../lualib/hotlua/skynet/answers.lua"),
    names: &["response", "request", "pcall"],
};

/// Other services, and the end of this one.
const SERVICES_PART: Part = Part {
    label: "skynet.services",
    text: include_str!("../../lualib/hotlua/skynet/services.lua"),
    names: &["uniqueservice", "queryservice", "address", "on_stop"],
};

/// What a service tells about itself.
pub const DIAGNOSIS: Part = Part {
    label: "skynet.diagnosis",
    text: include_str!("../../lualib/hotlua/skynet/diagnosis.lua"),
    names: &["task", "info_func"],
};

/// What becomes of messages that nobody expects.
pub const UNKNOWN: Part = Part {
    label: "skynet.unknown",
    text: include_str!("../../lualib/hotlua/skynet/unknown.lua"),
    names: &["dispatch_unknown_request", "dispatch_unknown_response"],
};

/// All parts.
pub const PARTS: &[Part] = &[ANSWERS, SERVICES_PART, DIAGNOSIS, UNKNOWN];

/// What runs first in every VM.
pub const BOOT: &str = include_str!("../../lualib/hotlua/boot.lua");

/// Makes what a patch is given, when it asks for it.
pub const GIVEN: &str = include_str!("../../lualib/hotlua/given.lua");

/// The text of a built-in module.
pub fn module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of a service that comes with the program.
pub fn service(name: &str) -> Option<&'static str> {
    SERVICES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
