--- What a client's TLS tells of itself, and whom it believes; the certificates of a server.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local STRANGER = ("A"):rep(43) .. "="

describe("the TLS of a client", function()
  local server, path

  -- A visit without login: what it tells of its TLS, or nil and the error.
  local function look(options)
    local pop <close>, err = poplin.connect(server.url, options)
    if not pop then
      return nil, err
    end
    return pop.tls
  end

  local function refusal(options)
    local tls, err = look(options)
    assert.is_nil(tls)
    return tostring(err)
  end

  local function trusting(options)
    options.ca_pem = support.certificate.ca_pem
    return options
  end

  local function contents(name)
    local file <close> = assert(io.open(name))
    return file:read("a")
  end

  before_each(function()
    server = support.fixture(support.maildrop {}, support.tls("implicit"))
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    os.remove(path)
    server:stop()
  end)

  it("tells what was negotiated and verified", function()
    local tls = assert(look(trusting {}))
    assert.are.equal("TLS1.3 AES-128-GCM", tostring(tls))
    assert.are.equal("TLS1.3", tls.version)
    assert.are.equal("TLS_AES_128_GCM_SHA256", tls.cipher)
    assert.are.equal("pop3", tls.alpn)
    assert.is_string(tls.group)
    assert.is_nil(tls.server_name)
    assert.is_false(tls.resumed)
    assert.are.equal("ca", tls.verified)
    assert.are.equal(64, #tls.certificate)
    assert.are.equal(44, #tls.pin)
    assert.is_true(tls.not_after > os.time())
    assert.is_nil(assert(look { verify = false }).verified)
  end)

  -- holds: T-STLS-16 C
  it("takes a session up again where the trust is the same, and verifies all the same", function()
    local tls = assert(look(trusting {}))
    assert.is_false(tls.resumed)
    tls = assert(look(trusting {}))
    assert.are.same({ true, "ca" }, { tls.resumed, tls.verified })
    assert.is_false(assert(look(trusting { resumption = false })).resumed)
    assert.is_false(assert(look(trusting { pins = tls.pin })).resumed)
    assert.is_true(assert(look(trusting { pins = tls.pin })).resumed)
    assert.is_false(assert(look { verify = false }).resumed)
    for i = 1, 20 do -- more than are kept
      local pin = string.char(("A"):byte() + i) .. STRANGER:sub(2)
      assert.is_truthy(refusal(trusting { pins = pin }):find("none of those pinned", 1, true))
    end
    assert.are.equal("ca", assert(look(trusting {})).verified)
    assert.is_truthy(refusal { ca_pem = assert(testing.certificate()).ca_pem }:find("unknown CA", 1, true))
  end)

  it("reads a file of CAs again that has changed", function()
    local function write(text)
      local file <close> = assert(io.open(path, "w"))
      assert(file:write(text))
    end
    write(support.certificate.ca_pem)
    assert.is_false(assert(look { ca_file = path }).resumed)
    assert.is_true(assert(look { ca_file = path }).resumed)
    write(assert(testing.certificate()).ca_pem .. "\n")
    assert.is_truthy(refusal { ca_file = path }:find("unknown CA", 1, true))
  end)

  it("holds the server to a pinned key", function()
    local pin = assert(look { verify = false }).pin
    assert.are.equal("ca+pin", assert(look(trusting { pins = pin })).verified)
    assert.are.equal("ca+pin", assert(look(trusting { pins = { STRANGER, pin } })).verified)
    assert.are.equal("pin", assert(look { verify = false, pins = pin }).verified)
    local text = refusal(trusting { pins = STRANGER })
    assert.is_truthy(text:find(pin, 1, true))
    assert.is_truthy(refusal({ verify = false, pins = { STRANGER } }):find("none of those pinned", 1, true))
    assert.is_truthy(refusal({ pins = pin }):find("unknown CA", 1, true))
  end)

  it("takes nothing for a pin that is none", function()
    for _, pins in ipairs { {}, "", { STRANGER, "" }, STRANGER .. " " .. STRANGER, { 1 }, 7 } do
      assert.has_error(function() poplin.connect(server.url, { pins = pins }) end)
    end
    assert.is_truthy(refusal({ pins = "hello" }):find("is no pin", 1, true))
  end)

  it("is trusted on first use, and held to its key from then on", function()
    local tls = assert(look { trust_on_first_use = path })
    assert.are.equal("first-use", tls.verified)
    assert.are.equal(("127.0.0.1:%d %s\n"):format(server.port, tls.pin), contents(path))
    assert.are.equal("known-key", assert(look { trust_on_first_use = path }).verified)
    local file = assert(io.open(path, "w"))
    file:write(("127.0.0.1:%d %s\n"):format(server.port, STRANGER))
    file:close()
    local text = refusal { trust_on_first_use = path }
    assert.is_truthy(text:find(tls.pin, 1, true) and text:find(STRANGER, 1, true))
  end)

  it("may be for the mail domain", function()
    assert.is_truthy(refusal(trusting { mail_domain = "alice@example.org" }):find("is no domain", 1, true))
    assert.are.equal("ca", assert(look(trusting { mail_domain = "example.org" })).verified)
  end)

  it("logs its secrets to a file that is named", function()
    assert(look(trusting { key_log = path }))
    assert.is_truthy(contents(path):find("CLIENT_TRAFFIC_SECRET_0 ", 1, true))
    assert.is_truthy(refusal(trusting { key_log = "/nonexistent/keys" }):find("key log", 1, true))
  end)
end)

describe("the TLS of a server", function()
  local paths, server

  local function write(text)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    table.insert(paths, path)
    return path
  end

  before_each(function()
    paths = {}
  end)

  after_each(function()
    for _, path in ipairs(paths) do
      os.remove(path)
    end
    if server then
      server:stop()
      server = nil
    end
  end)

  it("shows the certificate that is for the name", function()
    local ca = assert(testing.ca())
    local one, other = assert(ca:certificate "one.example"), assert(ca:certificate "localhost")
    local certificates = { { cert_file = write(other.cert_pem .. other.key_pem) } }
    server = support.serve(support.maildrop {}, {
      tls = "implicit", cert_pem = one.cert_pem, key_pem = one.key_pem, certificates = certificates,
    })
    local url = server.url:gsub("127%.0%.0%.1", "localhost")
    local pop <close> = assert(poplin.connect(url, { ca_pem = other.ca_pem }))
    assert.are.equal("localhost", pop.tls.server_name)
  end)

  it("logs its secrets to a file that is named", function()
    local path = write("")
    local settings = support.tls("implicit")
    settings.key_log, settings.resumption = path, false
    server = support.serve(support.maildrop {}, settings)
    assert(poplin.connect(server.url, { ca_pem = support.certificate.ca_pem })):close()
    local file <close> = assert(io.open(path))
    assert.is_truthy(file:read("a"):find("CLIENT_TRAFFIC_SECRET_0 ", 1, true))
  end)

  it("takes no certificates that are none", function()
    for _, certificates in ipairs { { "cert.pem" }, { {} }, { { key_file = "key.pem" } } } do
      local settings = support.tls("implicit")
      settings.certificates = certificates
      assert.has_error(function() support.serve(support.maildrop {}, settings) end)
    end
    local settings = support.tls("implicit")
    settings.certificates = { { cert_file = "/nonexistent/cert.pem" } }
    assert.has_error(function() support.serve(support.maildrop {}, settings) end)
  end)
end)
