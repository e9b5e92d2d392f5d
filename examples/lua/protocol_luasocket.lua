-- Both ends of POP3 by poplin's machines alone, over LuaSocket, with TLS by LuaSec.
--
--     POPLIN_PASSWORD=... lua5.4 protocol_luasocket.lua serve FOLDER USER [CERTIFICATE KEY]
--     POPLIN_PASSWORD=... lua5.4 protocol_luasocket.lua fetch pop3://alice@mail.example.org FOLDER [CA_FILE]
--
-- The server serves the .eml files of a folder, one client at a time, and starts TLS when it is asked to. The client
-- fetches all mail into files and deletes nothing; pop3:// means STLS, which on this machine only a CA_FILE asks for,
-- and pop3s:// TLS from the first octet.

local poplin = require "poplin"
local protocol = require "poplin.protocol"
local socket = require "socket"

local PASSWORD = assert(os.getenv "POPLIN_PASSWORD", "POPLIN_PASSWORD is not set")
local TIMEOUT = 60 -- seconds that a client waits for a server
local INACTIVITY = 600 -- and a server for a client: RFC 1939 wants ten minutes

-- ---- a connection: what moves octets between a socket and either machine ----

-- Sends what there is to send. False: nothing.
local function send(line, machine)
  local data = assert(machine:data_to_send())
  assert(line.socket:send(data))
  return data ~= ""
end

-- Waits for octets, or for their end; nil and "timeout" where neither came.
local function receive(line, machine)
  local data, problem = line.socket:receive(1) -- one, and then what lies ready, since more might never come
  if problem == "timeout" or problem == "wantread" then
    return nil, "timeout"
  elseif not data then
    return machine:receive_eof(problem == "closed" and not line.secure) -- LuaSec does not tell an end of TLS from a cut
  end
  line.socket:settimeout(0)
  local more, _, part = line.socket:receive(65535)
  line.socket:settimeout(line.timeout)
  return machine:receive_data(data .. (more or part or ""))
end

-- LuaSec checks who signed the certificate, but not for whom it is: here, for which DNS name.
local function is_for(certificate, host)
  for _, extension in pairs(certificate:extensions()) do
    for _, name in ipairs(extension.dNSName or {}) do
      local rest = name:match "^%*(%..+)$" -- the first part of a name, and no more
      if name:lower() == host:lower() or rest and host:lower():match "^[^.]+(%..+)$" == rest:lower() then
        return true
      end
    end
  end
  return false
end

-- Shakes hands: as a client of this host, or as a server.
local function start_tls(line, machine, parameters, host)
  local wrapped = assert(require "ssl".wrap(line.socket, parameters))
  wrapped:settimeout(line.timeout)
  if host then
    wrapped:sni(host)
  end
  assert(wrapped:dohandshake())
  if host and not is_for(wrapped:getpeercertificate(), host) then
    error("the server's certificate is not for " .. host, 0)
  end
  line.socket, line.secure = wrapped, true
  assert(machine:tls_started { version = wrapped:info "protocol" })
end

-- ---- the client ----

-- What comes of each event; nil: nothing.
local REACTIONS = {}

function REACTIONS.opened(pop, _, event)
  if event.error then
    error(event.error, 0)
  end
  return pop:list()
end

function REACTIONS.listing(_, job, event)
  table.insert(job.listed, event)
  return true
end

REACTIONS["end"] = function(pop, job)
  if job.file then
    assert(job.file:close())
    job.file = nil
  else
    assert(pop:retr_all(job.listed)) -- as many ahead of their answers as the server allows
  end
  return pop.outstanding > 0 or pop:quit()
end

function REACTIONS.reply(_, job, event)
  if event.error then
    error(event.error, 0)
  elseif event.verb == "RETR" then
    job.file = assert(io.open(job.folder .. "/" .. event.number .. ".eml", "wb"))
  end
  return true
end

function REACTIONS.body(_, job, event)
  return job.file:write(event.data)
end

-- Takes all events, sends all data, and where there was neither, receives.
local function converse(pop, line, job)
  while true do
    for event in pop:events() do
      local react = REACTIONS[event.type]
      if event.type == "start_tls" then
        start_tls(line, pop, job.tls, event.host)
      elseif event.type == "closed" then
        return #job.listed
      elseif react then
        assert(react(pop, job, event))
      end
    end
    if not send(line, pop) then
      assert(receive(line, pop))
    end
  end
end

local function fetch(text, folder, ca_file)
  local url = assert(poplin.parse_url(text))
  local implicit = url.scheme == "pop3s"
  local here = url.host == "localhost" or url.host:find "^127%." ~= nil or url.host == "::1"
  local pop <close> = assert(protocol.client { tls = implicit and "implicit" or ca_file and "stls" or "auto",
    protected = here, host = url.host, port = url.port })
  local line = { socket = assert(socket.connect(url.host, url.port)), timeout = TIMEOUT }
  line.socket:settimeout(TIMEOUT)
  local job = { listed = {}, folder = folder, tls = { mode = "client", protocol = "any", verify = "peer",
    options = { "all", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
    cafile = ca_file or "/etc/ssl/certs/ca-certificates.crt" } }
  if implicit then
    start_tls(line, pop, job.tls, url.host)
  end
  assert(pop:open(url.user, PASSWORD))
  local count = converse(pop, line, job)
  line.socket:close()
  print(count .. " messages")
end

-- ---- the server ----

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- How each question is answered: here at once; a session can also wait while its answer is made elsewhere.
local ANSWERS = {}

function ANSWERS.find_secret(session, mail, event)
  if event.user == mail.user then
    return session:password(event, PASSWORD)
  end
  return session:refuse(event, poplin.AUTH)
end

function ANSWERS.open_maildrop(session, mail, event)
  local messages = {}
  local listing <close> = assert(io.popen("ls '" .. mail.folder:gsub("'", "'\\''") .. "'"))
  for name in listing:lines() do
    if name:find "^[%w.-]+%.eml$" then
      table.insert(messages, { name }) -- its octets are counted when a client asks
    end
  end
  return session:open(event, messages)
end

function ANSWERS.send_body(session, mail, event)
  return session:body(event, read(mail.folder .. "/" .. event.uid))
end

function ANSWERS.commit(session, mail, event)
  for _, uid in ipairs(event.uids) do
    assert(os.remove(mail.folder .. "/" .. uid))
  end
  return session:accept(event)
end

-- One session, from the greeting to its end.
local function serve_one(session, line, mail)
  while true do
    for event in session:events() do
      if event.type == "start_tls" then
        send(line, session) -- the answer to STLS, still in clear
        start_tls(line, session, mail.tls)
      elseif event.type == "session_closed" then
        send(line, session)
        return
      elseif event.question then
        assert(ANSWERS[event.type](session, mail, event))
      end
    end
    if not send(line, session) and not receive(line, session) then
      assert(session:timeout())
    end
  end
end

local function serve(folder, user, certificate, key)
  local mail = { folder = folder, user = user, tls = certificate and { mode = "server", protocol = "any",
    options = { "all", "no_sslv3", "no_tlsv1", "no_tlsv1_1" }, certificate = certificate, key = key } }
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  io.stdout:write("pop3://127.0.0.1:", port, "\n"):flush()
  while true do
    local line = { socket = assert(listener:accept()), timeout = INACTIVITY }
    line.socket:settimeout(INACTIVITY)
    -- Clients on this machine need no TLS: nobody else can listen.
    local session <close> = assert(protocol.session { tls = certificate and "stls" or "never", protected = true,
      asks = "password" })
    local ok, problem = pcall(serve_one, session, line, mail)
    line.socket:close()
    if not ok then
      io.stderr:write(tostring(problem), "\n")
    end
  end
end

local WORK = { serve = serve, fetch = fetch }
if not WORK[arg[1]] or #arg < 3 then
  error("serve FOLDER USER [CERTIFICATE KEY], or fetch URL FOLDER [CA_FILE]", 0)
end
WORK[arg[1]](table.unpack(arg, 2))
