--- Who logs in, and by what: the options of a client that say so.

local core = require "poplin.core"
local logins = require "poplin.logins"
local misuse = require "poplin.misuse"

local credentials = {}

--- User and password, or neither.
function credentials.login(options, url_user, free)
  local user = options.user or url_user
  if not user then
    if options.password ~= nil or options.token ~= nil then
      error("there is a password or token, but no user", 0)
    end
    return nil
  end
  local password = options.password
  if type(password) == "function" then
    password = password(user)
  end
  local proved = type(password) == "string" or password == nil and (options.token ~= nil or free)
  if type(user) ~= "string" or not proved then
    error("there is a user, but no password: it must be a string, or a function that returns one; or give a token", 0)
  end
  return user, password
end

--- The token: a string, or what a function makes of the server's answer to the one before.
function credentials.token(options, answer)
  local token = options.token
  if type(token) == "function" then
    token = token(answer)
  end
  if token ~= nil and type(token) ~= "string" then
    error("token must be a string, or a function that returns one", 0)
  end
  return token
end

-- The names of an option, as the core takes them.
local function names_of(auth)
  local names, problem = logins.mechanisms(auth)
  if problem then
    error(problem, 0)
  end
  return names
end

-- Raises where `auth`, or `tls`, permits what the URL's ;AUTH= does not.
local function check_agreement(url_auth, options)
  if url_auth == "*" and options.tls == "never" then
    error("the URL's ;AUTH=* never means a password in clear, and tls = 'never' does: leave one of them out", 0)
  elseif url_auth == nil or url_auth == "*" or options.auth == nil then
    return
  end
  local mechanism = url_auth:gsub("^%+", "")
  for name in (names_of(options.auth) or "*"):gmatch("%S+") do
    if name:upper() ~= mechanism then
      error("the URL says ;AUTH=" .. url_auth .. ", and auth something else: leave one of them out", 0)
    end
  end
end

--- The mechanisms that may be used, as the core takes them; nil for any.
function credentials.mechanisms(options, url_auth)
  check_agreement(url_auth, options)
  return names_of(options.auth or url_auth)
end

--- The options for each of two names: the password goes out twice, so the server has to be known.
function credentials.guesses(url, options)
  local names = options.user
  if #names == 0 or #names > 2 then
    misuse.error("poplin.connect: user is one name, or two to try: more would be guessing")
  elseif options.verify == false or options.trust_on_first_use ~= nil or options.tls == "never" or
    options.descriptor ~= nil then
    misuse.error("poplin.connect: two names are tried only over TLS with a verified certificate, each on a connection "
      .. "of its own: not with tls = 'never', verify = false, trust_on_first_use or descriptor")
  end
  local _, _, _, _, mode = core.parse_url(url or "pop3://localhost", options.tls or "auto")
  local each = {}
  for i, name in ipairs(names) do
    each[i] = {}
    for option, value in pairs(options) do
      each[i][option] = value
    end
    each[i].user = name
    each[i].tls = mode == core.TLS_IMPLICIT and "implicit" or "stls"
  end
  return each
end

return credentials
