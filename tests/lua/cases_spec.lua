--- The cases that drive the Python tests too: tests/cases/README.md.

local cases = require "cases"
local options = require "poplin.options"
local play = require "case_player"
local testing = require "poplin.testing"

local MODES = { "blocking", "in a task", "in the background" }

local all = cases.read()
local played = {}

-- A thread of its own has no functions of Lua's.
local function is_for(case, mode)
  return mode ~= "in the background" or case.server and not case.server.backend
end

describe("cases of", function()
  local wanted = {}
  for _, mode in ipairs(MODES) do
    played[mode], wanted[mode] = 0, 0
    for _, case in ipairs(all) do
      if is_for(case, mode) then
        wanted[mode] = wanted[mode] + 1
        it(case.file .. ": " .. case.name .. ", " .. mode, function()
          played[mode] = played[mode] + 1
          play(case, mode)
        end)
      end
    end
  end

  it("the lists are all played", function()
    assert.are.same({ #all, #all }, { wanted["blocking"], wanted["in a task"] })
    assert.are.same(wanted, played)
  end)
end)

-- ---- whether the lists have everything ----

-- Names that stand in no case, and why.
local LUAS_OWN = {
  ca_pem = "the player gives it wherever there is TLS",
  client_key = "client_cert stands for both",
  certificate = "tls and blemish stand for it",
  cert_file = "certificate_files stands for these four, and tls alone for the texts", key_file = "", cert_pem = "",
  key_pem = "",
  certificates = "tls_spec.lua: the client's SNI takes host names",
  client_ca_file = "the same by a file: logins_spec.lua", client_ca_pem = "client_ca stands for it",
  background = "a mode in which all cases are played",
  raise_errors = "the player always says so, and looks at errors itself",
  staple = "the test server's own",
  max_line = "the machine's own tests look at octets in a line", max_listing = "",
}

-- All keys and all texts are added to `said`.
local function gather(value, said)
  if type(value) == "table" and value ~= cases.null then
    for key, one in pairs(value) do
      said[key] = true
      gather(one, said)
    end
  elseif type(value) == "string" then
    said[value] = true
  end
  return said
end

describe("the cases", function()
  local said = gather(all, {})

  for name, known in pairs {
    ["connect's options"] = options.CONNECT, ["connect's limits"] = options.CONNECT_LIMITS,
    ["fetch's options"] = options.FETCH,
    ["serve's options"] = options.SERVE, ["a backend's functions"] = options.BACKEND,
    ["a test server's options"] = options.TESTING, quirks = testing.QUIRKS, attacks = testing.ATTACKS,
  } do
    it("name all of " .. name, function()
      for option in pairs(known) do
        assert(said[option] or LUAS_OWN[option], option)
      end
    end)
  end

  it("have no keys that are not known", function()
    local good = { name = "x", shows = { "connect" }, steps = { { connect = {} } } }
    cases.check(good, "x")
    for _, change in ipairs {
      { shwos = {} }, { steps = { { connect = {}, fail = {} } } }, { steps = { { connect = {}, quit = {} } } },
      { steps = { {} } }, { steps = { { retr_all = cases.null, inside = { { delete = { 1 } } } } } },
      { steps = { { connect = {}, fails = { kid = "auth" } } } }, { sessions = { { outcom = "left" } } },
      { trace = { cleint = {} } }, { steps = { { fetch = {}, report = { deliverd = 1 } } } },
      { server = { backend = { pasword = "x" } } }, { shows = { "no such feature" } },
    } do
      assert.is_false(pcall(cases.check, setmetatable(change, { __index = good }), "x"))
    end
  end)

  it("have no options and no sinks that are not known", function()
    for _, case in ipairs {
      { server = { usres = {} }, steps = {} },
      { server = {}, steps = { { connect = { pasword = "x" } } } },
      { server = {}, steps = { { connect = {} }, { retr = { 1 }, into = "nowhere" } } },
      { server = {}, steps = { { fetch = { kep = "none" } } } },
      { server = {}, steps = { { fetch = { into = { funktion = {} } } } } },
    } do
      assert.is_false(pcall(play, case, "blocking"))
    end
  end)
end)
