std = "lua54"
max_line_length = 120
files["tests/lua"] = { std = "lua54+busted" }
files["lua/meta"] = { ignore = { "21[123]", "241", "631" } } -- declarations: what they name is never used there
