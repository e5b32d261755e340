# Dalli in the binary protocol, its default before version 4, or in the meta protocol.

require 'dalli'
require_relative 'check'

puts "version #{Dalli::VERSION}"
if TLS
  context = OpenSSL::SSL::SSLContext.new
  context.set_params(TLS_PARAMS) # the authorities of the system, and names are looked at
end
c = Dalli::Client.new("#{HOST}:#{PORT}", protocol: VARIANT.to_sym, socket_timeout: 5, ssl_context: context)

check('set and get') do
  c.set('k', { 'a' => [1, 2] }, 60)
  equal c.get('k'), { 'a' => [1, 2] }
  equal c.get('absent'), nil
end
check('raw') { c.set('raw', 'text', 60, raw: true); equal c.get('raw', raw: true), 'text' }
check('get_multi') do
  50.times { |i| c.set("m#{i}", i) }
  equal c.get_multi(*Array.new(55) { |i| "m#{i}" }).size, 50
end
check('quiet') { c.multi { 50.times { |i| c.set("q#{i}", i) } }; equal c.get('q49'), 49 }
check('add and replace') do
  equal c.add('k', 1), false
  stored = ->(unique) { unique.to_i.positive? } # 0 or false if it is not
  equal stored.call(c.replace('k', 'w')), true
  equal stored.call(c.replace('absent', 'w')), false
end
check('append and prepend') do
  c.append('raw', '>')
  c.prepend('raw', '<')
  equal c.get('raw', raw: true), '<text>'
end
check('cas') { equal(!!c.cas('k') { |v| "#{v}!" }, true); equal c.get('k'), 'w!' }
check('get_cas') { value, unique = c.get_cas('k'); equal value, 'w!'; equal unique.positive?, true }
check('fetch') { equal(c.fetch('fetched', 60) { 7 }, 7); equal(c.fetch('fetched', 60) { 8 }, 7) }
check('incr and decr') do
  equal c.incr('n', 5, 60, 10), 10
  equal c.incr('n', 5), 15
  equal c.decr('n', 1), 14
end
check('touch and gat') { equal !!c.touch('k', 100), true; equal c.gat('k', 100), 'w!' }
check('a large value') { c.set('large', 'x' * 500_000); equal c.get('large').size, 500_000 }
check('delete') { equal !!c.delete('k'), true; equal c.get('k'), nil }
check('version') { equal c.version.values.all? { |v| v.start_with?('1.') }, true }
check('stats') { equal c.stats.values[0].key?('pid'), true }
check('stats of settings') { equal c.stats(:settings).values[0].size > 5, true }
check('alive!') { c.alive! }
check('threads') do
  shared = Dalli::Client.new("#{HOST}:#{PORT}", protocol: VARIANT.to_sym)
  wrong = 0
  Array.new(5) { |n| Thread.new { 50.times { |i| shared.set("t#{n}", i); wrong += 1 unless shared.get("t#{n}") == i } } }.each(&:join)
  equal wrong, 0
end
check('flush') { c.flush; equal c.get('m1'), nil }
check('close') { c.close }
done
