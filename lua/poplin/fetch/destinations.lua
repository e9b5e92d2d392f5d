--- Where a fetch takes messages: Maildirs, which the core writes, and functions of the script's.

local core = require "poplin.core"
local misuse = require "poplin.misuse"

local destinations = {}

local EXPECTED = "the path of a Maildir, a function, or an array of these"

local function check_path(what, path)
  if path == "" or path:find("\0", 1, true) then
    misuse.error("poplin.fetch: %s: a path is not empty, and holds no NUL", what)
  elseif path:find("^~") then
    misuse.error("poplin.fetch: %s: only a shell knows what ~ is; say os.getenv 'HOME' .. '/…'", what)
  end
end

--- The destinations as an array of paths and functions, in which none stands twice; raises what is none.
function destinations.list(what, given)
  local list, seen = {}, {}
  local function add(one)
    if type(one) == "string" then
      check_path(what, one)
    elseif type(one) ~= "function" then
      misuse.error("poplin.fetch: %s is %s, not a %s", what, EXPECTED, type(one))
    end
    if not seen[one] then
      seen[one] = true
      table.insert(list, one)
    end
  end
  if type(given) ~= "table" then
    add(given)
    return list
  end
  for key in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 or key > #given then
      misuse.error("poplin.fetch: %s is %s, not a table with the field %s", what, EXPECTED, tostring(key))
    end
  end
  for i = 1, #given do -- one that is nil is told, and not where the list ends
    add(given[i])
  end
  if not list[1] then
    misuse.error("poplin.fetch: %s is empty: it is %s", what, EXPECTED)
  end
  return list
end

--- Opens what is not open yet among the destinations: a route, which has `maildirs`, an array of deliveries of the
-- core's, and `functions`; or nil and an error. `open` keeps the deliveries by their paths; nil: none is made, since
-- nothing will be delivered.
function destinations.route(list, open)
  local route = { maildirs = {}, functions = {} }
  for _, one in ipairs(list) do
    if type(one) == "function" then
      table.insert(route.functions, one)
    elseif open then
      local delivery, err = open[one], nil
      if not delivery then
        delivery, err = core.delivery(one)
        open[one] = delivery
      end
      if not delivery then
        return nil, err
      end
      table.insert(route.maildirs, delivery)
    end
  end
  return route
end

--- Closes all that are open.
function destinations.close(open)
  for _, delivery in pairs(open) do
    delivery:close()
  end
end

return destinations
