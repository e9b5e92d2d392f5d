--- What the two machines of poplin.protocol have in common: octets, TLS, events, and their end.

local arguments = require "poplin.arguments"
local core = require "poplin.core"
local misuse = require "poplin.misuse"

local machine = {}

--- The code of a choice among names; raises where there is no such name.
function machine.choice(who, option, given, codes)
  if codes[given] == nil then
    local names = {}
    for name in pairs(codes) do
      table.insert(names, "'" .. name .. "'")
    end
    table.sort(names)
    misuse.error("%s: %s must be one of %s, not %s", who, option, table.concat(names, ", "), tostring(given))
  end
  return codes[given]
end

local methods = {}

local function early()
  return nil, core.error("state", "TLS has to stand first: tls = 'implicit' begins with tls_started()")
end

--- Takes in what the peer sent, decrypted where there is TLS; "" changes nothing. True, or nil and an error: TLS has to
-- stand first, or there is nothing more to come. Whatever ended the session badly is told again.
function methods:receive_data(data)
  if self._early then
    return early()
  end
  return misuse.of(self._who .. ":receive_data", self._core.input, self._core, data)
end

--- The peer closed the connection; clean: false where TLS was cut short, without its own end. True, or nil and an
-- error.
function methods:receive_eof(clean)
  return misuse.of(self._who .. ":receive_eof", self._core.eof, self._core, clean)
end

--- Takes what is to be sent to the peer now, all of it; "" where there is nothing. More events may follow. Or nil and
-- an error.
function methods:data_to_send()
  if self._early then
    return early()
  end
  return self._core:output()
end

--- TLS now stands: before the first octet with tls = "implicit", else after start_tls, what was to be sent being sent.
-- True, or nil and an error: not now. Facts, a table, each of which may be left out: version ("TLSv1.3"), for people;
-- verified: whether the peer's certificate and name were checked and found good (true of a client, whose business that
-- is; false of a session); exporter, end_point: channel bindings, which tie a SCRAM login to this connection: 32 octets
-- of the exporter that RFC 9266 names, and the hash of the server's certificate of RFC 5929 section 4; only with TLS
-- 1.3, or with TLS 1.2 and its extended master secret; without them SCRAM goes on without. identity: to a session, whom
-- the client's certificate, checked, names, for EXTERNAL.
function methods:tls_started(facts)
  local who = self._who .. ":tls_started"
  facts = facts == nil and {} or facts
  arguments.check_names(who, facts, self._facts, "fact")
  if facts.version ~= nil and type(facts.version) ~= "string" then
    misuse.error("%s: version must be a string, not a %s", who, type(facts.version))
  end
  local given = { verified = self._trusting }
  for name, value in next, facts do
    given[name] = value
  end
  local ok, err = misuse.of(who, self._core.tls, self._core, given)
  if not ok then
    return nil, err
  end
  self._early, self._tls = false, facts.version or "TLS"
  return true
end

--- The next event; false and "need_data" (send what there is to send, then receive) or "waiting" (for tls_started, for
-- the answer to a question, or until data_to_send was called: receiving more is of no use before); nil and an error:
-- what ended the session badly, or that it is over.
function methods:next_event()
  if self._early then
    return early()
  end
  local event, why = self._core:next()
  if event then
    if event.type == self._last then
      self._over = true
    elseif event.type == "start_tls" then
      event.host = self._host
    end
  end
  return event, why
end

--- An iterator over the events that there are; it ends where there are none just now, and after the last one. It raises
-- the error object where the session ended badly.
function methods:events()
  return function()
    if self._over then
      return nil
    end
    local event, err = self:next_event()
    if event == nil then
      error(err, 0)
    end
    return event or nil
  end
end

--- Lets it go, and sends nothing: a session that was not over deletes nothing. Twice is peaceful, and so is not doing
-- it at all.
function methods:close()
  self._over = true
  self._core:close()
end

local PHASES = { "authorization", "transaction" }

--- A type with the methods of both, its own, and fields that are worked out when they are asked for.
function machine.type(name, fields)
  local type_of = { __name = name }
  for method, f in pairs(methods) do
    type_of[method] = f
  end
  type_of.__close = methods.close
  fields.phase = function(self) return PHASES[(self._core:facts())] end
  fields.tls = function(self) return rawget(self, "_tls") end
  function type_of:__index(key)
    local field = fields[key]
    if field then
      return field(self)
    end
    return type_of[key]
  end
  function type_of:__tostring()
    local host = rawget(self, "_host")
    return string.format("%s%s (%s, %s)", name, host and " " .. host or "", self.phase or "no session",
      self.tls or "no TLS")
  end
  return type_of
end

return machine
