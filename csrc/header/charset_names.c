/*
 * header/charset_names.c - the charsets that mail is written in, by the names that it calls them by.
 *
 * The name comes from whoever wrote the message, and iconv(3) makes more of a name than mail needs: options behind slashes,
 * the locale's own charset, a module that is loaded for each of hundreds, with a history of flaws in those that nobody
 * uses (CVE-2024-2961, ISO-2022-CN-EXT). So only the names in this table get there, as they are written here.
 */
#include "header/charsets.h"

#include <string.h>

enum { FOLDED_MAX = 24 }; /* longer than any name in the table */

/*
 * Each charset as iconv calls it, and its names in mail: in small letters, without what stands between letters and digits,
 * with a blank behind each. Without a name for iconv: read as UTF-8 is.
 */
static const struct {
    const char *iconv, *names;
} table[] = {
    {"", "utf8 csutf8 cp65001 unicode11utf8 unicode20utf8 "
         "usascii ascii ansix341968 ansix341986 csascii iso646us iso646irv1991 isoir6 us cp367 ibm367 unknown8bit "},
    {"ISO-8859-1", "iso88591 iso885911987 latin1 l1 cp819 ibm819 isoir100 csisolatin1 "},
    {"ISO-8859-2", "iso88592 iso885921987 latin2 l2 isoir101 csisolatin2 "},
    {"ISO-8859-3", "iso88593 iso885931988 latin3 l3 isoir109 csisolatin3 "},
    {"ISO-8859-4", "iso88594 iso885941988 latin4 l4 isoir110 csisolatin4 "},
    {"ISO-8859-5", "iso88595 iso885951988 cyrillic isoir144 csisolatincyrillic "},
    {"ISO-8859-6",
     "iso88596 iso885961987 arabic isoir127 csisolatinarabic "
     "iso88596i iso88596e csiso88596i csiso88596e asmo708 ecma114 "}, /* RFC 1556: in logical order, as Unicode is */
    {"ISO-8859-7", "iso88597 iso885971987 greek greek8 isoir126 csisolatingreek elot928 ecma118 "},
    {"ISO-8859-8", "iso88598 iso885981988 hebrew isoir138 csisolatinhebrew iso88598i iso88598e csiso88598i csiso88598e "
                   "logical visual "},
    {"ISO-8859-9", "iso88599 iso885991989 latin5 l5 isoir148 csisolatin5 "},
    {"ISO-8859-10", "iso885910 iso8859101992 latin6 l6 isoir157 csisolatin6 "},
    {"ISO-8859-11", "iso885911 iso8859112001 "},
    {"ISO-8859-13", "iso885913 latin7 l7 "},
    {"ISO-8859-14", "iso885914 iso8859141998 latin8 l8 isoir199 "},
    {"ISO-8859-15", "iso885915 latin9 latin0 l9 csisolatin9 "},
    {"ISO-8859-16", "iso885916 iso8859162001 latin10 l10 isoir226 "},
    {"CP1250", "windows1250 cp1250 win1250 "},
    {"CP1251", "windows1251 cp1251 win1251 ansi1251 "},
    {"CP1252", "windows1252 cp1252 win1252 ansi "},
    {"CP1253", "windows1253 cp1253 "},
    {"CP1254", "windows1254 cp1254 "},
    {"CP1255", "windows1255 cp1255 "},
    {"CP1256", "windows1256 cp1256 "},
    {"CP1257", "windows1257 cp1257 "},
    {"CP1258", "windows1258 cp1258 "},
    {"KOI8-R", "koi8r koi8 koi cskoi8r "},
    {"KOI8-U", "koi8u koi8ru "},
    {"CP437", "cp437 ibm437 437 "},
    {"CP737", "cp737 ibm737 "},
    {"CP775", "cp775 ibm775 "},
    {"CP850", "cp850 ibm850 850 "},
    {"CP852", "cp852 ibm852 852 "},
    {"CP855", "cp855 ibm855 855 "},
    {"CP857", "cp857 ibm857 857 "},
    {"CP858", "cp858 ibm858 ibm00858 "},
    {"CP860", "cp860 ibm860 "},
    {"CP861", "cp861 ibm861 "},
    {"CP862", "cp862 ibm862 862 dos862 "},
    {"CP863", "cp863 ibm863 "},
    {"CP864", "cp864 ibm864 "},
    {"CP865", "cp865 ibm865 "},
    {"CP866", "cp866 ibm866 csibm866 866 "},
    {"CP869", "cp869 ibm869 "},
    {"MACINTOSH", "macintosh mac macroman csmacintosh "},
    {"MAC-CYRILLIC", "maccyrillic macukrainian "},
    {"TIS-620", "tis620 tis6200 "},
    {"CP874", "windows874 cp874 dos874 "},
    {"VISCII", "viscii csviscii "},
    {"ISO-2022-JP", "iso2022jp iso2022jp1 csiso2022jp cp50220 cp50221 "},
    {"ISO-2022-JP-2", "iso2022jp2 csiso2022jp2 "},
    {"EUC-JP", "eucjp cseucpkdfmtjapanese ujis "},
    {"CP932", "windows31j cp932 ms932 windows932 cswindows31j "
              "shiftjis sjis mskanji csshiftjis "}, /* what calls itself so has the backslash, and often more */
    {"ISO-2022-KR", "iso2022kr csiso2022kr "},
    {"CP949",
     "cp949 uhc windows949 ms949 euckr cseuckr " /* what calls itself so often is this, which has more of the same */
     "ksc56011987 ksc5601 ksc56011989 ksx1001 csksc56011987 korean isoir149 "},
    {"JOHAB", "johab cp1361 "},
    {"GBK",
     "gbk cp936 ms936 windows936 gb2312 csgb2312 euccn gb231280 csiso58gb231280 isoir58 chinese "}, /* likewise */
    {"GB18030", "gb18030 csgb18030 "},
    {"BIG5", "big5 csbig5 cnbig5 bigfive xbig5 "},
    {"CP950", "cp950 ms950 windows950 "},
    {"BIG5-HKSCS", "big5hkscs csbig5hkscs "},
    {"EUC-TW", "euctw "},
    {"UTF-7", "utf7 unicode11utf7 csutf7 "},
    {"UTF-16", "utf16 csutf16 "},
    {"UTF-16BE", "utf16be "},
    {"UTF-16LE", "utf16le "},
};

/* The name as the table has it, with the blank behind. False: no name of the table looks like that. */
static bool fold(poplin_slice name, char folded[FOLDED_MAX]) {
    size_t used = 0;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (c == '-' || c == '_' || c == '.' || c == ':')
            continue;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) || used + 2 >= FOLDED_MAX)
            return false;
        folded[used++] = c;
    }
    folded[used] = ' ';
    folded[used + 1] = '\0';
    return used > 0;
}

static bool stands_in(const char *names, const char *folded) {
    for (const char *at = names; (at = strstr(at, folded)) != NULL; at++)
        if (at == names || at[-1] == ' ')
            return true;
    return false;
}

static const char *look_up(poplin_slice name) {
    char folded[FOLDED_MAX];
    if (!fold(name, folded))
        return NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (stands_in(table[i].names, folded))
            return table[i].iconv;
    return NULL;
}

const char *poplin_charset_known(poplin_slice name) {
    const char *known = look_up(name);
    bool private = name.size > 2 && (name.data[0] | 0x20) == 'x' && name.data[1] == '-';
    return known == NULL && private ? look_up((poplin_slice){name.data + 2, name.size - 2}) : known;
}
