# Sourced by run.sh: a fresh machine serves with what the package brings.

step "a fresh install serves within two seconds"
began_ms=$(date +%s%3N)
install_package "$older"
inside systemctl start pinion || fail "the service does not start"
within 5 answers || fail "no answer on $proxy"
took_ms=$(($(date +%s%3N) - began_ms))
note "from dpkg to the first reply: $took_ms ms"
((took_ms <= 2000)) || fail "it took $took_ms ms"
serving
[[ $(service User) == pinion ]] || fail "the service runs as $(service User)"

# From here on by a configuration with two servers, which no package may touch.
configure
inside systemctl reload pinion || fail "systemctl reload fails"
crowd_begin
crowd_end "with nothing but traffic"
