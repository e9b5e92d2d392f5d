--- Who logs in, and by what: the options of a client that say so.

local core = require "poplin.core"
local logins = require "poplin.logins"
local misuse = require "poplin.misuse"

local credentials = {}

-- What an option is, or the script's function in its place answers. Where that is nil, the second value is why.
local function answer_of(option, told)
  if type(option) ~= "function" then
    return option
  end
  local answer, reason = option(told)
  if answer == nil and reason then
    return nil, reason
  end
  return answer or false -- false is no answer either; the option is there, other than where it is nil
end

--- User and password, or neither; or nil, nil and why the script's function has no password.
function credentials.login(options, url_user, free)
  local user = options.user or url_user
  if not user then
    if options.password ~= nil or options.token ~= nil then
      error("there is a password or token, but no user", 0)
    end
    return nil
  end
  local password, reason = answer_of(options.password, user)
  if reason then
    return nil, nil, reason
  end
  local proved = type(password) == "string" or password == nil and (options.token ~= nil or free)
  if type(user) ~= "string" or not proved then
    error("there is a user, but no password: it must be a string, or a function that returns one; or give a token", 0)
  end
  return user, password
end

--- The token: a string, or what a function makes of the server's answer to the last one; or nil and why there is none.
function credentials.token(options, answer)
  local token, reason = answer_of(options.token, answer)
  if reason then
    return nil, reason
  end
  if token ~= nil and type(token) ~= "string" then
    error("token must be a string, or a function that returns one", 0)
  end
  return token
end

--- Whether a login was refused: the error is that, and not what a script's function gave as its reason.
function credentials.refused(err)
  return type(err) == "table" and err.kind == "auth"
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
