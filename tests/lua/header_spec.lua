--- Headers: message:header and message:headers, what is fetched for them, and Python's email as the reference.

local poplin = require "poplin"
require "support"
local testing = require "poplin.testing"

local TEXT = table.concat({
  "Received: from a", "\tby b", "Subject: =?utf-8?q?f=C3=BCr?= =?iso-8859-1?b?IGRpY2g=?=", "RECEIVED: from c",
  "Empty:", "", "Subject: of the body", "",
}, "\r\n")

describe("a message's header", function()
  local server, pop

  before_each(function()
    server = testing.Server { users = { alice = "secret" } }
    server:deliver("alice", TEXT)
    server:deliver("alice", "no header\r\n")
    pop = assert(poplin.connect(server:url_for("alice"), { password = "secret" }))
  end)

  after_each(function()
    pop:close()
    server:stop()
  end)

  -- The commands about one message that the server was sent, as words.
  local function commands()
    local list = {}
    for _, command in ipairs(server.sessions[1].commands) do
      if command:find("^TOP") or command:find("^RETR") then
        list[#list + 1] = command
      end
    end
    return list
  end

  local function check(message)
    assert.are.equal("für dich", message:header("subject"))
    assert.are.equal("from a\tby b", message:header("Received"))
    assert.are.equal("", message:header("EMPTY"))
    assert.are.equal(0, select("#", message:header("X-None")))
    local fields = assert(message:headers())
    assert.are.equal(4, #fields)
    assert.are.same({ name = "Received", value = "from a\tby b", raw = " from a\r\n\tby b" }, fields[1])
    assert.are.same({ "RECEIVED", "from c" }, { fields[3].name, fields[3].value })
    assert.are.equal("für dich", fields.subject)
    assert.are.equal("from a\tby b", fields.Received)
    assert.is_nil(fields["X-None"])
    assert.is_nil(fields[5])
    assert.are.same({ "from a\tby b", "from c" }, message:headers("received"))
    assert.are.same({}, message:headers("X-None"))
  end

  it("is fetched by TOP, once", function()
    local message = assert(pop:messages())[1]
    check(message)
    check(message)
    assert.is_nil(message.data)
    assert.are.same({ "TOP 1 0" }, commands())
    check(assert(pop:messages())[1])
    assert.are.same({ "TOP 1 0", "TOP 1 0" }, commands())
  end)

  it("is read from the data where that is there", function()
    for message in pop:retr_all { 1 } do
      check(message)
    end
    assert.are.same({ "RETR 1" }, commands())
  end)

  it("of another message can be had inside the loop", function()
    local listed = assert(pop:messages())
    for message in pop:retr_all { 2 } do
      assert.is_nil(message:header("subject"))
      assert.are.equal("für dich", listed[1]:header("subject"))
    end
  end)

  it("may be empty", function()
    local message = assert(pop:messages())[2]
    assert.is_nil(message:header("subject"))
    assert.are.equal(0, #message:headers())
  end)

  it("is an error and nothing remembered where TOP is refused", function()
    local fault = server:fault("TOP", { refuse = "no TOP here" })
    local message = assert(pop:messages())[1]
    for _, method in ipairs { "header", "headers" } do
      local value, err = message[method](message, "subject")
      assert.is_nil(value)
      assert.are.equal("refused", err.kind)
    end
    fault:remove()
    assert.are.equal("für dich", message:header("subject"))
  end)

  it("is not read further than it may be long", function()
    server:deliver("alice", "Subject: long\r\nX: " .. ("x"):rep(2 ^ 20) .. "\r\n\r\n")
    pop:close()
    pop = assert(poplin.connect(server:url_for("alice"), { password = "secret" }))
    local message = assert(pop:messages())[3]
    local value, err = message:header("subject")
    assert.is_nil(value)
    assert.are.equal("limit", err.kind)
    assert.are.equal("limit", select(2, message:headers()).kind)
    assert.is_true(pop:noop())
  end)

  it("needs a name that is a string", function()
    local message = assert(pop:messages())[1]
    for _, name in ipairs { 5, {}, false } do
      assert.has_error(function() message:header(name) end)
      assert.has_error(function() message:headers(name) end)
    end
    assert.has_error(function() message:header() end)
    assert.are.same({}, commands())
    assert.has_error(function() message:header("sub\0ject") end)
  end)

  it("can be fetched in a task", function()
    local task = poplin.spawn(function()
      return assert(pop:messages())[1]:header("subject")
    end)
    assert.are.equal("für dich", task:join())
  end)
end)

describe("the headers of a text", function()
  it("are those before the first empty line", function()
    local fields = assert(poplin.headers(TEXT))
    assert.are.equal(4, #fields)
    assert.are.same({ "für dich" }, poplin.headers(TEXT, "subject"))
    assert.are.equal(0, #poplin.headers(""))
    assert.has_error(function() poplin.headers(nil) end)
    assert.has_error(function() poplin.headers(TEXT, 5) end)
  end)

  it("are not more than a table should hold", function()
    assert.are.equal(10000, #poplin.headers(("a:\n"):rep(10000)))
    for _, text in ipairs { ("a:\n"):rep(10001), ("x"):rep(2 ^ 20 + 1) } do
      local fields, err = poplin.headers(text)
      assert.is_nil(fields)
      assert.are.equal("limit", err.kind)
    end
    assert.are.equal(10000, #poplin.headers(("a:\n"):rep(10000), "A"))
    assert.are.equal("limit", select(2, poplin.headers(("a:\n"):rep(10001), "A")).kind)
  end)
end)

-- ---- the reference ----

-- Files in which the package finds fewer fields, since a line that is no field ends the header there: a byte order
-- mark, a comment, a mangled "From " line, a name with a blank before its colon. poplin passes over that line alone,
-- or knows the obsolete form.
local CUT_SHORT = {}
for path in ([[
  constructed/from-mangled enmime/mail-qp-utf8-header-no-break.raw james/eml-mailWithLongHeaders
  james/eml-mailWithManyHeaders james/eml-oneAttachmentAndSomeTextInlined james/eml-oneAttachmentWithEmptyContentType
  james/eml-oneAttachmentWithSimpleContentType james/eml-oneAttachmentWithoutContentType
  james/eml-oneAttachmentWithoutName james/eml-oneHtmlAttachmentAndSomeTextInlined james/samples-multipart-binary.mail
  james/samples-wild-alt-another-reply.mail james/samples-wild-alt-reply.mail james/samples-wild-alt-reply3.mail
  james/samples-wild-mixed-alt.mail james/samples-wild-mixed.mail mime4j/testmsgs-malformedHeader-nocrlfcrlf.msg
  mime4j/testmsgs-obsolete.msg mimekit/messages-feedback-report.txt mimekit/messages-issue358.txt rspamd/messages-fws_fn
  rspamd/messages-phish_sender2 rspamd/messages-phish_sender4 ruby-mail/plain_emails-raw_email_incorrect_header
  ruby-mail/rfc2822-example13 spamassassin/spam-badmime2.txt spamassassin/spam-bsmtp stalwart-mail-parser/malformed-019
]]):gmatch("%S+") do
  CUT_SHORT[path] = true
end

-- Files with a field "From :", which the package takes for a mailbox's "From " line.
local OBSOLETE_FROM = { ["rspamd/messages-phish_sender3"] = true, ["spamassassin/spam-008"] = true }

-- Fields with a word in a charset that nobody knows: the package decodes it as ASCII, here it stays.
local UNKNOWN_CHARSET = { ["ruby-mail/error_emails-bad_encoded_subject"] = "=?NONE?B?VEVTVA=?=" }

-- Files that say gb2312 and mean GBK, which has more characters: the package does not know those.
local MEANS_GBK = { ["spamscope-mail-parser/mails-mail_test_9"] = "gb2312" }

-- What the package would say, were its values one line without NUL and without blanks at their ends.
local function on_one_line(value)
  return (value:gsub("\0", "\u{FFFD}"):gsub("[\r\n]", " "):gsub("^[ \t]+", ""):gsub("[ \t]+$", ""))
end

local function trimmed(value)
  return (value:gsub("^[ \t]+", ""):gsub("[ \t]+$", ""))
end

-- What is left to explain: one line, or nil.
local function difference(path, ours, theirs)
  local at = 0
  for _, field in ipairs(theirs) do
    at = at + 1
    while OBSOLETE_FROM[path] and ours[at] and ours[at].name == "From" and field.name ~= "From" do
      at = at + 1
    end
    local mine = ours[at]
    if not mine or mine.name ~= field.name then
      return string.format("%s: field %d is %s, should be %s", path, at, mine and mine.name, field.name)
    elseif trimmed(mine.value) ~= on_one_line(field.value) and mine.value ~= UNKNOWN_CHARSET[path]
      and not (MEANS_GBK[path] and mine.raw:find(MEANS_GBK[path], 1, true)) then
      return string.format("%s: %s is %q, should be %q", path, mine.name, mine.value, field.value)
    end
  end
  if at ~= #ours and not CUT_SHORT[path] and not OBSOLETE_FROM[path] then
    return string.format("%s: %d fields, should be %d", path, #ours, at)
  end
end

-- All differences from the reference in the messages of a folder, and how many messages there are.
local function compare(folder)
  local process = assert(io.popen("exec env -u LD_PRELOAD python3 tests/lua/header_reference.py '" .. folder .. "'"))
  local answer, at, count, differences = process:read("a"), 1, 0, {}
  assert(process:close())
  while at <= #answer do
    local path, fields, theirs
    path, fields, at = ("<s4I4"):unpack(answer, at)
    theirs = {}
    for i = 1, fields do
      local name, value
      name, value, at = ("<s4s4"):unpack(answer, at)
      theirs[i] = { name = name, value = value }
    end
    local file <close> = assert(io.open(path, "rb"))
    local short = path:sub(#folder + 2):gsub("%.eml$", "")
    differences[#differences + 1] = difference(short, assert(poplin.headers(file:read("a"))), theirs)
    count = count + 1
  end
  return differences, count
end

describe("real headers", function()
  it("are read as Python's email reads them", function()
    local differences, count = compare("examples/mail")
    assert.are.same({}, differences)
    assert.is_true(count > 10)
  end)

  it("are so over the corpus, but for what is explained", function()
    if not os.rename("../shared/corpus", "../shared/corpus") then
      return pending("a checkout without the corpus")
    end
    local differences, count = compare("../shared/corpus")
    assert.are.same({}, differences)
    assert.is_true(count > 1000)
  end)
end)
