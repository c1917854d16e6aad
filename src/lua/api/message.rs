//! Sending, calling, answering.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "raw Lua API, see the rules in the module documentation of `lua`"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use crate::actor::address::Handle;
use crate::actor::message::{Message, kind};
use crate::lua::api::buffers::{self, take_payload};
use crate::lua::api::protocol::{self, push_protocol};
use crate::lua::api::wait::{check_can_wait, register_wait};
use crate::lua::codec;
use crate::lua::context::{self, Context, Request};
use crate::lua::functions::lua_functions;
use crate::lua::outgoing::{Undelivered, post};
use crate::lua::values;

/// Where a message is to go.
enum Destination<'a> {
    /// To an instance.
    Instance(Handle),
    /// To whoever has this name, now or later.
    Name(&'a str),
    /// To a local name that nobody has.
    Nobody,
}

/// An address as Lua gives it: a handle, `:0000000a`, `.name`, or a name without a dot.
unsafe fn address<'a>(l: *mut lua_State, context: &Context, index: c_int) -> Destination<'a> {
    match ffi::lua_type(l, index) {
        ffi::LUA_TNUMBER => match values::integer(l, index) {
            Some(n) if n > 0 && n <= i64::from(u32::MAX) => Destination::Instance(Handle(n as u32)),
            _ => {
                let shown = ffi::lua_tonumberx(l, index, std::ptr::null_mut());
                context.raise(l, format_args!("Invalid service address {shown}"))
            }
        },
        ffi::LUA_TSTRING => {
            let text = std::str::from_utf8(values::bytes(l, index).unwrap_or_default()).unwrap_or(".?");
            let found = if text.starts_with(':') {
                Handle::parse(text)
            } else {
                context.host.node.registry().find(text)
            };
            match found {
                Some(handle) => Destination::Instance(handle),
                None if text.starts_with([':', '.']) => Destination::Nobody,
                None => Destination::Name(text),
            }
        }
        other => {
            let name = std::ffi::CStr::from_ptr(ffi::lua_typename(l, other))
                .to_str()
                .unwrap_or("?");
            context.raise(
                l,
                format_args!("dest address type ({name}) must be a string or number."),
            )
        }
    }
}

/// The address of a message that must arrive: raises if it cannot.
unsafe fn raise_invalid(l: *mut lua_State, context: &Context, index: c_int) -> ! {
    if ffi::lua_type(l, index) == ffi::LUA_TNUMBER {
        let handle = Handle(values::integer(l, index).unwrap_or_default() as u32);
        context.raise(l, format_args!("call to invalid address {handle}"))
    }
    let text = std::str::from_utf8(values::bytes(l, index).unwrap_or_default()).unwrap_or("?");
    context.raise(l, format_args!("call to invalid address {text}"))
}

/// The number of the message type at `index`.
unsafe fn message_kind(l: *mut lua_State, context: &Context, index: c_int) -> u8 {
    push_protocol(l, context, index);
    let kind = protocol::id(l, context);
    ffi::lua_pop(l, 1);
    kind
}

/// Packs the values from argument 3 on with the function of the message type on top, which takes the place of them.
unsafe fn pack_by_protocol(l: *mut lua_State, context: &Context) -> Box<[u8]> {
    ffi::lua_insert(l, 3);
    ffi::luaL_checkstack(l, 4, std::ptr::null());
    ffi::lua_getfield(l, 3, c"pack".as_ptr());
    ffi::lua_insert(l, 4);
    ffi::lua_call(l, ffi::lua_gettop(l) - 4, 2);
    take_payload(l, context, 4)
}

/// A call with a message type, on top, that packs or unpacks in another way.
unsafe fn call_by_protocol(l: *mut lua_State, context: &Context) -> c_int {
    let kind = protocol::id(l, context);
    // Whoever unpacks is decided now.
    ffi::lua_getfield(l, -1, c"unpack".as_ptr());
    ffi::lua_replace(l, 2);
    let data = pack_by_protocol(l, context);
    let to = address(l, context, 1);
    if !ask(l, context, &to, kind, data) {
        raise_invalid(l, context, 1);
    }
    ffi::lua_yieldk(l, 0, 0, Some(unpack_answer))
}

/// Goes on after the answer to such a call has come.
unsafe extern "C-unwind" fn unpack_answer(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    let answer = answer_or_raise(l, context::of(l));
    let (data, length) = (answer.as_ptr(), answer.len());
    ffi::lua_settop(l, 2);
    ffi::lua_pushlightuserdata(l, data.cast_mut().cast());
    ffi::lua_pushinteger(l, length as i64);
    ffi::lua_callk(l, 2, ffi::LUA_MULTRET, 0, Some(unpacked));
    unpacked(l, ffi::LUA_OK, 0)
}

unsafe extern "C-unwind" fn unpacked(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    ffi::lua_gettop(l) - 1
}

/// Sends to any destination; false if nobody lives there. Raises if there is no room. A patch cannot park messages: what is withheld needs a
/// receiver.
unsafe fn post_to(l: *mut lua_State, context: &Context, to: &Destination<'_>, message: Message) -> bool {
    match to {
        Destination::Instance(handle) => match post(context, *handle, message) {
            Ok(()) => true,
            Err(Undelivered::Nobody) => false,
            Err(full @ Undelivered::Full { .. }) => context.raise(l, format_args!("{full}")),
        },
        Destination::Name(name) => !context.on_trial() && context.host.node.send_to_name(name, message).is_ok(),
        Destination::Nobody => false,
    }
}

/// Posts a request whose payload is `data` and registers this coroutine for the answer; false if nobody lives there. Raises if there is no
/// room.
unsafe fn ask(l: *mut lua_State, context: &Context, to: &Destination<'_>, kind: u8, data: Box<[u8]>) -> bool {
    let session = context.next_session();
    let message = Message {
        source: Some(context.handle()),
        session,
        kind,
        data,
    };
    if !post_to(l, context, to, message) {
        return false;
    }
    register_wait(l, session);
    true
}

/// Answers a request; what `ret` returns.
fn reply(context: &Context, source: Option<Handle>, session: u32, kind: u8, data: Box<[u8]>) -> bool {
    let (Some(to), 1..) = (source, session) else {
        return false;
    };
    let source = Some(context.handle());
    post(
        context,
        to,
        Message {
            source,
            session,
            kind,
            data,
        },
    )
    .is_ok()
}

/// The request of the running coroutine, which is answered herewith; raises if there is none (any more).
unsafe fn take_request(l: *mut lua_State, context: &Context) -> Request {
    match context.request.take() {
        Some(request) => request,
        None => context.raise(
            l,
            format_args!("No session: this coroutine has no request to answer, or has answered it"),
        ),
    }
}

/// Goes on after the answer to a call has come: its values.
unsafe extern "C-unwind" fn call_answered(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    let context = context::of(l);
    let answer = answer_or_raise(l, context);
    codec::unpack_or_raise(l, context, answer)
}

/// The same for a raw call: address and size of the bytes.
unsafe extern "C-unwind" fn rawcall_answered(l: *mut lua_State, _status: c_int, _data: isize) -> c_int {
    let context = context::of(l);
    let answer = answer_or_raise(l, context);
    ffi::lua_pushlightuserdata(l, answer.as_ptr().cast_mut().cast());
    ffi::lua_pushinteger(l, answer.len() as i64);
    2
}

unsafe fn answer_or_raise<'a>(l: *mut lua_State, context: &Context) -> &'a [u8] {
    // SAFETY: the message stays in its place until the scheduler has come back from this resume.
    match &*context.incoming.get() {
        Some(message) if message.kind == kind::RESPONSE => &*std::ptr::from_ref::<[u8]>(&message.data),
        _ => context.raise(l, format_args!("call failed")),
    }
}

lua_functions! {
    /// `send(address, type, ...)` → 0, or nothing if nobody lives there.
    pub fn send(l, context) {
        push_protocol(l, context, 2);
        let kind = protocol::id(l, context);
        let data = if protocol::is_standard(l, c"pack", buffers::pack) {
            ffi::lua_pop(l, 1);
            let start = codec::pack(l, context, 3);
            codec::take(context, start)
        } else {
            pack_by_protocol(l, context)
        };
        let to = address(l, context, 1);
        let message = Message { source: Some(context.handle()), session: 0, kind, data };
        let sent = post_to(l, context, &to, message);
        sent_or_nothing(l, sent)
    }

    /// `rawsend(address, type, bytes[, size])` → 0, or nothing.
    pub fn rawsend(l, context) {
        let to = address(l, context, 1);
        let kind = message_kind(l, context, 2);
        let data = take_payload(l, context, 3);
        let message = Message { source: Some(context.handle()), session: 0, kind, data };
        let sent = post_to(l, context, &to, message);
        sent_or_nothing(l, sent)
    }

    /// `redirect(address, source, type, session, bytes[, size])` → session, or nothing: a message in another's name.
    pub fn redirect(l, context) {
        let to = address(l, context, 1);
        let source = match values::integer(l, 2) {
            Some(0) => None,
            _ => match address(l, context, 2) {
                Destination::Instance(handle) => Some(handle),
                Destination::Name(_) | Destination::Nobody => raise_invalid(l, context, 2),
            },
        };
        let kind = message_kind(l, context, 3);
        let Some(Ok(session)) = values::integer(l, 4).map(u32::try_from) else {
            context.raise(l, format_args!("session must be an integer that is not negative"))
        };
        let data = take_payload(l, context, 5);
        let message = Message { source, session, kind, data };
        if !post_to(l, context, &to, message) {
            return 0;
        }
        ffi::lua_pushinteger(l, i64::from(session));
        1
    }

    /// `call(address, type, ...)` → the values of the answer.
    pub fn call(l, context) {
        check_can_wait(l, context, "skynet.call");
        push_protocol(l, context, 2);
        if !protocol::is_standard(l, c"pack", buffers::pack) || !protocol::is_standard(l, c"unpack", buffers::unpack) {
            return call_by_protocol(l, context);
        }
        let kind = protocol::id(l, context);
        ffi::lua_pop(l, 1);
        let to = address(l, context, 1);
        let start = codec::pack(l, context, 3);
        let data = codec::take(context, start);
        if !ask(l, context, &to, kind, data) {
            raise_invalid(l, context, 1);
        }
        ffi::lua_yieldk(l, 0, 0, Some(call_answered))
    }

    /// `rawcall(address, type, bytes[, size])` → bytes, size.
    pub fn rawcall(l, context) {
        check_can_wait(l, context, "skynet.rawcall");
        let to = address(l, context, 1);
        let kind = message_kind(l, context, 2);
        let data = take_payload(l, context, 3);
        if !ask(l, context, &to, kind, data) {
            raise_invalid(l, context, 1);
        }
        ffi::lua_yieldk(l, 0, 0, Some(rawcall_answered))
    }

    /// `ret([bytes[, size]])` → whether the answer found somebody.
    pub fn ret(l, context) {
        if context.request.get().is_none() {
            take_request(l, context);
        }
        let data = take_payload(l, context, 1);
        let request = take_request(l, context);
        ffi::lua_pushboolean(l, c_int::from(reply(context, request.source, request.session, kind::RESPONSE, data)));
        1
    }

    /// `retpack(...)`: the same with values.
    pub fn retpack(l, context) {
        let start = codec::pack(l, context, 1);
        let request = take_request(l, context);
        let data = codec::take(context, start);
        ffi::lua_pushboolean(l, c_int::from(reply(context, request.source, request.session, kind::RESPONSE, data)));
        1
    }

    /// `context()` → session, source of the current request.
    pub fn context(l, context) {
        let Some(request) = context.request.get() else { return 0 };
        ffi::lua_pushinteger(l, i64::from(request.session));
        ffi::lua_pushinteger(l, request.source.map_or(0, |source| i64::from(source.0)));
        2
    }

    /// `ignoreret()`: the request gets no answer.
    pub fn ignoreret(_l, context) {
        context.request.take();
        0
    }

    /// `defer()` → session, source: takes the request, to be answered later from anywhere with `answer`.
    pub fn defer(l, context) {
        let request = take_request(l, context);
        if let (Some(source), 1..) = (request.source, request.session) {
            context.deferred.borrow_mut().insert((source, request.session));
        }
        ffi::lua_pushinteger(l, i64::from(request.session));
        ffi::lua_pushinteger(l, request.source.map_or(0, |source| i64::from(source.0)));
        2
    }

    /// `answer(session, source, ok[, bytes[, size]])` → whether it found somebody.
    pub fn answer(l, context) {
        let (session, source) = deferred_request(l);
        let ok = ffi::lua_toboolean(l, 3) != 0;
        let data = if ok { take_payload(l, context, 4) } else { Box::default() };
        let kind = if ok { kind::RESPONSE } else { kind::ERROR };
        let waiting = context.deferred.borrow_mut().remove(&(source, session));
        let found = waiting && reply(context, Some(source), session, kind, data);
        ffi::lua_pushboolean(l, c_int::from(found));
        1
    }

    /// `alive(session, source)` → whether who asked still lives.
    pub fn alive(l, context) {
        let (_, source) = deferred_request(l);
        ffi::lua_pushboolean(l, c_int::from(context.host.node.registry().get(source).is_some()));
        1
    }
}

unsafe fn deferred_request(l: *mut lua_State) -> (u32, Handle) {
    let number = |index| u32::try_from(values::integer(l, index).unwrap_or_default()).unwrap_or_default();
    (number(1), Handle(number(2)))
}

unsafe fn sent_or_nothing(l: *mut lua_State, sent: bool) -> c_int {
    if sent {
        ffi::lua_pushinteger(l, 0);
    }
    c_int::from(sent)
}
