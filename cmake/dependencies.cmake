# Finds what poplin is built on by pkg-config; where something is missing, says which Debian package has it.

find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    message(FATAL_ERROR "pkg-config was not found. On Debian: apt-get install pkg-config")
endif()
find_package(Threads REQUIRED)

# The first of the given pkg-config modules that is there, as PkgConfig::<prefix>.
function(poplin_require prefix debian_package)
    pkg_search_module(${prefix} QUIET IMPORTED_TARGET GLOBAL ${ARGN})
    if(NOT ${prefix}_FOUND)
        list(JOIN ARGN " or " wanted)
        message(FATAL_ERROR "${wanted} was not found. On Debian: apt-get install ${debian_package}")
    endif()
    set(${prefix}_INCLUDE_DIRS ${${prefix}_INCLUDE_DIRS} PARENT_SCOPE)
endfunction()

poplin_require(GNUTLS libgnutls28-dev gnutls>=3.7.4)
poplin_require(LIBUV libuv1-dev libuv>=1.44.0)
poplin_require(LIBIDN libidn-dev libidn>=1.33)
poplin_require(SQLITE libsqlite3-dev sqlite3>=3.31)
if(POPLIN_LUA)
    # Only the headers: the symbols are those of the interpreter that loads the module.
    poplin_require(LUA liblua5.4-dev lua5.4 lua-5.4 lua54)
endif()
if(POPLIN_TESTS)
    poplin_require(CMOCKA libcmocka-dev cmocka>=1.1.5)
endif()
