-- Load from wrk for `make bench-collector`: the requests that collector_requests.py wrote, in turn,
-- each with new ids and the time of day. What a patch means stands there, beside its twin `fill`.
--
-- wrk -s collector_load.lua URL -- FOLDER FIRST_SLOT PAUSE_MS

local ffi = require("ffi")
local bit = require("bit")

ffi.cdef [[
typedef struct { int64_t start, size, first_patch, patch_count, slot_count; } Template;
typedef struct { int64_t kind, offset, value; } Patch;
]]

local SPREAD = 0x9E3779B97F4A7C15ULL
local HEX, RAW, SECONDS = 0, 1, 2
local DIGITS = ffi.new("const char[16]", "0123456789abcdef")

local kept = {} -- what ffi points into must not be collected
local templates, template_count, patches, buffers
local slot, turn = 0ULL, 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  kept[#kept + 1] = content
  return content
end

function init(args)
  local folder, pause_ms = args[1], tonumber(args[3])
  local index, requests = read(folder .. "/index"), read(folder .. "/requests")
  templates = ffi.cast("const Template *", index)
  template_count = #index / ffi.sizeof("Template")
  patches = ffi.cast("const Patch *", read(folder .. "/patches"))
  buffers = ffi.new("uint8_t[?]", #requests)
  ffi.copy(buffers, requests, #requests)
  slot = ffi.cast("uint64_t", tonumber(args[2]))
  if pause_ms > 0 then
    -- Even pauses would bring all connections into step.
    function delay() return math.random(0, 2 * pause_ms) end
  end
end

local function write_hex(at, id)
  for place = 15, 0, -1 do
    at[place] = DIGITS[tonumber(bit.band(id, 15ULL))]
    id = bit.rshift(id, 4)
  end
end

local function write_raw(at, id)
  for place = 7, 0, -1 do
    at[place] = tonumber(bit.band(id, 255ULL))
    id = bit.rshift(id, 8)
  end
end

local function write_decimal(at, number)
  for place = 9, 0, -1 do
    at[place] = 48 + number % 10
    number = math.floor(number / 10)
  end
end

local function write_fixed64(at, number)
  for place = 0, 7 do
    at[place] = tonumber(bit.band(number, 255LL))
    number = bit.rshift(number, 8)
  end
end

function request()
  local template = templates[turn]
  local whole = buffers + template.start
  local now_s = os.time()
  local now_ns = 1000000000LL * now_s
  for number = tonumber(template.first_patch),
      tonumber(template.first_patch + template.patch_count) - 1 do
    local patch = patches[number]
    local at = whole + patch.offset
    if patch.kind == HEX then
      write_hex(at, (slot + patch.value) * SPREAD)
    elseif patch.kind == RAW then
      write_raw(at, (slot + patch.value) * SPREAD)
    elseif patch.kind == SECONDS then
      write_decimal(at, now_s + tonumber(patch.value))
    else
      write_fixed64(at, now_ns + patch.value)
    end
  end
  slot = slot + template.slot_count
  turn = (turn + 1) % template_count
  return ffi.string(whole, template.size)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests":%d,"refused":%d,"broken":%d,"took_s":%.3f,' ..
    '"p50_ms":%.3f,"p99_ms":%.3f,"worst_ms":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
