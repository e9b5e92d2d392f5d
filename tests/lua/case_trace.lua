--- What a case's conversation gives in the trace: tests/cases/README.md has what is looked for.

local poplin = require "poplin"
local words = require "case_words"

local trace = {}

local SIGNS = { sent = "> ", received = "< ", note = "- " }

--- Before the case: collects the lines, without the peers and the connections' numbers, where it says something of
-- them.
function trace.begin(self)
  if self.case.trace then
    self.traced = { client = {}, server = {} }
    poplin.trace = function(_, fields)
      table.insert(self.traced[fields.side], SIGNS[fields.kind] .. fields.text)
    end
  end
end

--- After it, however it ended.
function trace.finish()
  poplin.trace = nil
end

local function is(self, expected, line)
  if type(expected) == "table" then
    local begins = words.filled(self, expected.begins)
    return line:sub(1, #begins) == begins
  end
  return line == words.filled(self, expected)
end

--- Raises unless the lines came, in this order, and nothing with what must not be told.
function trace.judge(self)
  local expected = self.case.trace or {}
  for _, side in ipairs { "client", "server" } do
    local at, came = 0, self.traced and self.traced[side]
    for _, line in ipairs(expected[side] or {}) do
      repeat
        at = at + 1
        assert(came[at], side .. ", " .. words.show(line) .. ": " .. words.show(came))
      until is(self, line, came[at])
    end
  end
  for _, part in ipairs(expected.without or {}) do
    for _, line in ipairs(table.move(self.traced.server, 1, #self.traced.server, #self.traced.client + 1,
      self.traced.client)) do
      assert(not line:find(part, 1, true), line)
    end
  end
end

return trace
