"""The functions that a question in SQL may call: those of a row and its values, and no others.

What reads files, settings, variables, sequences or the catalogue is left out, as is what waits,
what parses SQL, and what makes a value of any length out of a number (``repeat``, ``lpad``,
``range`` as a list) or out of each element of a list (``list_transform``, ``list_reduce``). So is
what takes the square of a text's length (``levenshtein``): one vector of texts may take it a
minute, and a vector cannot be interrupted.
"""

_NUMBERS = """
% * ** + - / // ^ & | << >> ~ abs acos add asin atan atan2 bit_count cbrt ceil ceiling cos cot
degrees divide even exp factorial fdiv floor fmod gamma gcd greatest isfinite isinf isnan lcm least
lgamma ln log log10 log2 mod multiply nextafter pi pow power radians random round round_even sign
signbit sin sqrt subtract tan trunc xor
"""
_TIMES = """
age century current_date current_localtimestamp date_add date_diff date_part
date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear
days_in_month decade epoch epoch_ms epoch_ns epoch_us era get_current_timestamp hour isodow isoyear
julian last_day make_date make_time make_timestamp make_timestamp_ms make_timestamptz microsecond
millisecond minute month monthname nanosecond now quarter second strptime time_bucket timezone
to_centuries to_days to_decades to_hours to_microseconds to_milliseconds to_minutes to_months
to_quarters to_seconds to_timestamp to_weeks to_years today try_strptime week weekday weekofyear
year yearweek
"""
_TESTS = """
!~~ !~~* ~~ ~~* ~~~ ^@ @> <@ && <-> ascii bit_length char_length character_length contains
array_contains array_has array_has_all array_has_any array_length array_position cardinality
constant_or_null ends_with hamming hash instr json_array_length json_contains json_exists
json_type json_valid len length like_escape list_contains list_has list_has_all
list_has_any list_indexof list_position list_unique map_contains map_contains_value md5 mismatches
not_like_escape ilike_escape nullif octet_length ord position prefix
regexp_full_match regexp_matches sha1 sha256 starts_with strlen strpos struct_has suffix typeof
unicode chr list_sum list_avg list_min list_max list_count list_median list_any_value list_first
list_last list_extract list_element array_extract element_at map_extract map_extract_value
struct_extract struct_extract_at
"""
_TEXTS = """
->> array_distinct array_slice array_sort array_to_string hex unhex from_hex to_hex base64
to_base64 from_base64 encode decode format_bytes formatreadablesize formatreadabledecimalsize
json_extract json_extract_path json_extract_path_text json_extract_string json_keys
json_structure json_value lcase left lower list_distinct list_filter array_filter
filter list_reverse list_reverse_sort list_slice list_sort ltrim map map_entries map_from_entries
map_keys map_values nfc_normalize parse_filename regexp_escape regexp_extract reverse right rtrim
split_part strftime strip_accents substr substring to_json translate trim ucase upper url_decode
url_encode flatten
"""
_AGGREGATES = """
any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min arg_min_null
argmax argmin avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif
covar_pop covar_samp entropy favg first fsum geomean geometric_mean kahan_sum kurtosis kurtosis_pop
last mad max max_by mean median min min_by mode product quantile quantile_cont quantile_disc
regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem
skewness stddev stddev_pop stddev_samp sum sum_no_overflow sumkahan unnest var_pop var_samp
variance wavg weighted_avg
"""
_WINDOWS = """
cume_dist dense_rank first_value fill lag last_value lead nth_value ntile percent_rank rank
rank_dense row_number
"""

_JOINING = """
|| concat concat_ws list_concat array_concat list_cat array_cat list_append array_append
list_prepend array_prepend list_zip map_concat
"""
_COLLECTING = """
list_value list_pack array_value row struct_pack map
"""
_SPLITTING = """
regexp_extract_all regexp_split_to_array split str_split str_split_regex string_split
string_split_regex string_to_array
"""
_LARGEST = """
arg_max arg_max_null arg_min arg_min_null argmax argmin max max_by min min_by
"""
_PATHS = """
->> json_array_length json_exists json_extract json_extract_path json_extract_path_text
json_extract_string json_keys json_type json_value
"""

SPLITTING = 32
"""How many times as large a text is in pieces of one character, each with its own length."""

_AS_BYTES = """
encode from_base64 from_hex regexp_escape translate unhex
"""

GROWING = {
    **dict.fromkeys(_SPLITTING.split(), SPLITTING),
    **dict.fromkeys(("json_keys", "map_entries", "map_keys", "map_values"), SPLITTING),
    **dict.fromkeys(_AS_BYTES.split(), 4),
    **dict.fromkeys(("base64", "hex", "to_base64", "to_hex"), 2),
    "to_json": 6,
    "url_encode": 3,
}
"""What makes something longer than it was, and how many times at worst.

Bytes are texts of four times their length, so this counts for what makes bytes.
"""

JOINING = {**dict.fromkeys(_JOINING.split(), 1), **dict.fromkeys(_COLLECTING.split(), 2)}
"""What makes one of its parts together, and how many times as long; as texts, parts are quoted."""

GATHERING = frozenset(("array_agg", "group_concat", "list", "listagg", "string_agg"))
"""Aggregates that give all their values."""

PATHS = frozenset(_PATHS.split())
"""What takes a path in JSON as its second argument, and gives what stands there."""

FILTERS = frozenset(("array_filter", "filter", "list_filter"))
"""What takes a function."""

REPLACING = frozenset(("regexp_replace", "replace"))
"""What puts a text in many places of another."""

_REGULAR = """
regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
regexp_split_to_array str_split_regex string_split_regex
"""
_LIKES = """
!~~ !~~* ~~ ~~* ~~~ like_escape not_like_escape ilike_escape
"""
REGULAR = frozenset(_REGULAR.split())
"""What takes a regular expression as its second argument."""

LIKES = frozenset(_LIKES.split())
"""What takes a pattern with ``%`` or ``*`` as its second argument."""

TEXTS = frozenset((*_TEXTS.split(), *GROWING, *JOINING, *REPLACING))
"""What makes a text, a list or the like of every row."""

KNOWN = (TEXTS | GATHERING) | frozenset(
    (*_NUMBERS.split(), *_TIMES.split(), *_TESTS.split(), *_AGGREGATES.split(), *_WINDOWS.split())
)

LARGEST = frozenset(_LARGEST.split())
"""Aggregates whose last argument may say how many values they give."""

QUANTILES = frozenset(("approx_quantile", "quantile", "quantile_cont", "quantile_disc"))
"""Aggregates that give a value for each of a list of shares."""

TABLES = frozenset(("generate_series", "range", "unnest"))
"""What may stand in FROM; each gives its rows one by one."""
