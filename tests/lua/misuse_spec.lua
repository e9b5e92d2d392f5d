--- Misuse: an error that names the script's own line, before anything is sent.

local poplin = require "poplin"
local support = require "support"

local HERE = "tests/lua/misuse_spec.lua:"

-- Raises unless f() does, in the name of its own line, with this text.
local function raises(text, f)
  local ok, problem = pcall(f)
  assert.is_false(ok, text)
  local defined = debug.getinfo(f, "S").linedefined
  assert.is_truthy(problem:find(HERE .. defined .. ": ", 1, true), problem)
  assert.is_truthy(problem:find(text, 1, true), problem)
end

describe("misuse of a client", function()
  local server, pop

  before_each(function()
    server = support.fixture(support.maildrop(support.messages(2)))
    pop = assert(support.connect(server))
  end)

  after_each(function()
    assert.is_true(pop:quit())
    local commands = server.sessions[1].commands
    assert.are.same({ "QUIT" }, { commands[#commands] })
    assert.is_nil(commands[#commands - 1]:find("^RETR"))
    server:stop()
  end)

  it("is a message number that is none", function()
    for _, number in ipairs { 0, -1, 1.5, 2 ^ 31, "x", {}, true, 0 / 0 } do
      raises("retr: a message's number", function() local _ = pop:retr(number) end)
      raises("retr: a message's number", function() local _ = pop:retr(number, print) end)
      raises("top: a message's number", function() local _ = pop:top(number) end)
      raises("dele: a message's number", function() local _ = pop:dele(number) end)
      raises("list: a message's number", function() local _ = pop:list(number) end)
      raises("uidl: a message's number", function() local _ = pop:uidl(number) end)
      raises("retr_all: a message's number", function() local _ = pop:retr_all { 1, number } end)
    end
    raises("retr: a message's number", function() local _ = pop:retr() end)
    raises("top: a message's number", function() local _ = pop:top() end)
    raises("dele: a message's number", function() local _ = pop:dele() end)
  end)

  it("is what no number of lines, no target, no list, no name and no language can be", function()
    local closed = assert(io.tmpfile())
    closed:close()
    raises("lines are from 0", function() local _ = pop:top(1, -1) end)
    raises("lines are from 0", function() local _ = pop:top(1, {}) end)
    raises("into must be a function or an open file", function() local _ = pop:retr(1, 5) end)
    raises("into must be a function or an open file", function() local _ = pop:retr(1, {}) end)
    raises("not closed file", function() local _ = pop:retr(1, closed) end)
    raises("an array of numbers or messages", function() local _ = pop:retr_all(5) end)
    raises("the user must be a string", function() local _ = pop:login() end)
    raises("the password must be a string, not number", function() local _ = pop:login("alice", 12345) end)
    raises("the language must be a string", function() local _ = pop:lang(5) end)
  end)
end)

describe("misuse of connect and of what drives", function()
  it("names the script's own line", function()
    raises("poplin.connect: timeout must be", function() local _ = poplin.connect("localhost", { timeout = 0 }) end)
    raises("poplin.connect: the options must be", function() local _ = poplin.connect("localhost", 5) end)
    raises("poplin.connect: user is one name", function() local _ = poplin.connect("localhost", { user = {} }) end)
    local guesses = { user = { "a", "b" }, verify = false }
    raises("two names are tried only over", function() local _ = poplin.connect("localhost", guesses) end)
    raises("the URL or host must be a string", function() local _ = poplin.connect {} end)
    raises("poplin.spawn: a function is needed", function() local _ = poplin.spawn() end)
    raises("poplin.run: a function is needed, not a number", function() local _ = poplin.run(5) end)
    raises("poplin.suspend: a function is needed", function() local _ = poplin.suspend() end)
    raises("poplin.sleep: the time must be a number", function() local _ = poplin.sleep() end)
    raises("poplin.seen: the path must be a string, not nil", function() local _ = poplin.seen() end)
    raises("it holds a NUL", function() local _ = poplin.seen("a\0b") end)
    raises("poplin.wrap: a function is needed", function() local _ = poplin.wrap {} end)
    raises("poplin.step: the time-out", function() local _ = poplin.step("soon") end)
    raises("poplin.step: the time-out", function() local _ = poplin.step(0 / 0) end)
  end)

  it("is not to spawn an object that can be called", function()
    local callable = setmetatable({}, { __call = function(_, n) return n + 1 end })
    assert.are.equal(2, poplin.spawn(callable, 1):join())
  end)
end)
