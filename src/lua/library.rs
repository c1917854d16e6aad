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
