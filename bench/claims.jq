# SPDX-License-Identifier: MIT
# Judges a claims table by what Google Benchmark's JSON reporter wrote.
#
#   jq --arg room cache --rawfile table cache.claims -f claims.jq cache.json
#
# A table that names a benchmark or a counter that was not measured is an error: a misspelt claim must not pass as a
# skipped one. What a benchmark skipped (a rival that is not installed) is a skipped claim with its reason.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# The name as it was registered, without what Google Benchmark appends to say how it was timed.
def registered: gsub("/(iterations:[0-9]+|repeats:[0-9]+|threads:[0-9]+|min_time:[0-9.]+|manual_time|real_time|process_time)(?=/|$)"; "");

def rows: split("\n") | map(sub("#.*"; "") | [splits("[ \t]+") | select(. != "")] | select(length > 0));

def row:
    if length == 5 then {name: .[0], measure: .[1], of: .[2], against: null, op: .[3], bar: (.[4] | tonumber)}
    elif length == 7 and .[3] == "/" then
        {name: .[0], measure: .[1], of: .[2], against: .[4], op: .[5], bar: (.[6] | tonumber)}
    else error("not a claim: \(join(" "))") end
    | if (.op | IN("<=", ">=", "==")) then . else error("claim \(.name): no such comparison: \(.op)") end;

def runs($benchmark):
    map(select(.run_type == "iteration" and (.run_name | registered) == $benchmark))
    | if length == 0 then error("nothing was measured under the name \($benchmark)") else . end;

# {value} or {skipped}
def value($measure; $benchmark):
    runs($benchmark)
    | (map(select(.error_occurred)) | first) as $refused
    | if $refused then {skipped: $refused.error_message}
      elif $measure == "cpu" then {value: (map(.cpu_time) | median)}
      elif $measure == "wall" then
          map(select(.at_once >= 0.9)) as $real
          | if ($real | length) * 3 < length then {skipped: "cores busy"}
            else {value: ($real | map(.real_time) | median)} end
      elif any(.[]; has($measure) | not) then error("\($benchmark) has no counter \($measure)")
      else {value: (map(.[$measure]) | max)} end;

def judged:
    if .skipped then .verdict = "skipped"
    elif (if .op == "<=" then .measured <= .bar elif .op == ">=" then .measured >= .bar else .measured == .bar end)
    then .verdict = "held" else .verdict = "missed" end;

.benchmarks as $measured
| $table | rows | map(row)
| map(. as $claim
    | ($measured | value($claim.measure; $claim.of)) as $of
    | (if $claim.against then $measured | value($claim.measure; $claim.against) else {value: 1} end) as $against
    | {name: "\($room).\(.name)", measure, of, against, op, bar}
      + (if $of.skipped or $against.skipped then {skipped: ($of.skipped // $against.skipped)}
         else {measured: ($of.value / $against.value)} end)
    | judged)
