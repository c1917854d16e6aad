-- The library of every service. What happens with each message is done in Rust; a function comes with the first look at it, see hotlua/skynet/.
return require "skynet.core".skynet
