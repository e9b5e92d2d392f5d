-- The Lua module alone, from this tree: luarocks make poplin-0.1.0-1.rockspec
-- CMake builds it, since the C sources are listed once for all builds; GnuTLS, libidn, libuv, SQLite and Lua's headers must be there.
rockspec_format = "3.0"
package = "poplin"
version = "0.1.0-1"
source = {
  url = ".",
}
description = {
  summary = "POP3 for people who script: a client and a server",
  detailed = "Fetch mail over POP3, or stand up a POP3 server whose mailboxes are Lua functions; TLS by default, one core in C.",
  license = "MIT",
}
supported_platforms = { "unix" }
dependencies = {
  "lua >= 5.4, < 5.5",
}
build = {
  type = "command",
  build_command = "cmake -S . -B build/rock -DPOPLIN_LUA=ON -DPOPLIN_TESTS=OFF -DCMAKE_BUILD_TYPE=Release"
    .. " && cmake --build build/rock --target poplin-lua",
  install = {
    lua = {
      ["poplin"] = "lua/poplin/init.lua",
      ["poplin.arguments"] = "lua/poplin/arguments.lua",
      ["poplin.capabilities"] = "lua/poplin/capabilities.lua",
      ["poplin.client"] = "lua/poplin/client.lua",
      ["poplin.connecting"] = "lua/poplin/connecting.lua",
      ["poplin.copas"] = "lua/poplin/copas.lua",
      ["poplin.cqueues"] = "lua/poplin/cqueues.lua",
      ["poplin.credentials"] = "lua/poplin/credentials.lua",
      ["poplin.discover"] = "lua/poplin/discover.lua",
      ["poplin.fetch"] = "lua/poplin/fetch.lua",
      ["poplin.fetch.destinations"] = "lua/poplin/fetch/destinations.lua",
      ["poplin.fetch.report"] = "lua/poplin/fetch/report.lua",
      ["poplin.fetch.wishes"] = "lua/poplin/fetch/wishes.lua",
      ["poplin.generator"] = "lua/poplin/generator.lua",
      ["poplin.host"] = "lua/poplin/host.lua",
      ["poplin.headers"] = "lua/poplin/headers.lua",
      ["poplin.logins"] = "lua/poplin/logins.lua",
      ["poplin.luv"] = "lua/poplin/luv.lua",
      ["poplin.misuse"] = "lua/poplin/misuse.lua",
      ["poplin.offers"] = "lua/poplin/offers.lua",
      ["poplin.options"] = "lua/poplin/options.lua",
      ["poplin.protocol"] = "lua/poplin/protocol.lua",
      ["poplin.protocol.client"] = "lua/poplin/protocol/client.lua",
      ["poplin.protocol.event"] = "lua/poplin/protocol/event.lua",
      ["poplin.protocol.machine"] = "lua/poplin/protocol/machine.lua",
      ["poplin.protocol.session"] = "lua/poplin/protocol/session.lua",
      ["poplin.queue"] = "lua/poplin/queue.lua",
      ["poplin.server"] = "lua/poplin/server.lua",
      ["poplin.settings"] = "lua/poplin/settings.lua",
      ["poplin.sleepers"] = "lua/poplin/sleepers.lua",
      ["poplin.task"] = "lua/poplin/task.lua",
      ["poplin.trace"] = "lua/poplin/trace.lua",
      ["poplin.testing"] = "lua/poplin/testing.lua",
      ["poplin.testing.certificate"] = "lua/poplin/testing/certificate.lua",
      ["poplin.testing.fault"] = "lua/poplin/testing/fault.lua",
      ["poplin.testing.server"] = "lua/poplin/testing/server.lua",
      ["poplin.testing.session"] = "lua/poplin/testing/session.lua",
    },
    lib = {
      ["poplin.core"] = "build/rock/lua/poplin/core.so",
    },
  },
}
