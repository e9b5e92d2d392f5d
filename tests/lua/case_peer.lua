--- A client that is nothing but a socket (LuaSocket's), for the cases: what it waits for may be said by a server of
-- this very script, so it drives meanwhile, or in a task gives way.

local poplin = require "poplin"
local socket = require "socket"

local PATIENCE = 20

local Peer = {}
Peer.__index = Peer

local LOOP = { -- as LuaSocket's select takes it
  getfd = function() return poplin.fileno() end,
  dirty = function() return false end,
}

--- Lets others go on until `holds` answers something that is true, which is returned; raises after some time.
-- `watched`: a socket that wakes it up too, or nil.
function Peer.await(is_task, holds, watched)
  local deadline = socket.gettime() + PATIENCE
  while true do
    local value = holds()
    if value then
      return value
    end
    assert(socket.gettime() < deadline, "what was waited for did not come")
    if is_task then
      coroutine.yield()
    else
      socket.select({ LOOP, watched }, nil, math.min(poplin.timeout() or 1, 1))
      poplin.step(0)
    end
  end
end

--- Connects to a test server, or another.
function Peer.new(server, is_task)
  local link
  if server.path then
    link = assert(require "socket.unix"())
    assert(link:connect(server.path))
  else
    link = assert(socket.connect(server.host or "127.0.0.1", server.port))
  end
  link:settimeout(0)
  return setmetatable({ _link = link, _heard = "", _task = is_task }, Peer)
end

function Peer:say(words)
  assert(self._link:send(words))
end

-- What there is now is added to what was heard.
function Peer:_listen()
  local all, problem, part = self._link:receive(65536)
  self._heard = self._heard .. (all or part)
  self._ended = self._ended or problem == "closed"
end

--- The next line without its CRLF; nil: the connection has ended.
function Peer:line()
  local ends = Peer.await(self._task, function()
    self:_listen()
    return self._heard:find("\r\n", 1, true) or self._ended
  end, self._link)
  if ends == true then
    assert(self._heard == "", "cut off: " .. self._heard)
    return nil
  end
  local line = self._heard:sub(1, ends - 1)
  self._heard = self._heard:sub(ends + 2)
  return line
end

function Peer:close()
  self._link:close()
end

return Peer
