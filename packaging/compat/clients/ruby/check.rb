# What all programs in Ruby share: they try one thing after the other, and say what came of each.

require 'openssl'
require 'timeout'

$stdout.sync = true
HOST, PORT = ARGV[0], ARGV[1].to_i
VARIANT = ENV.fetch('COMPAT_VARIANT', '')
# How to speak TLS: SSL_CERT_FILE has the authority.
TLS = ENV.fetch('COMPAT_TLS', '') != ''
# Ruby's OpenSSL does not look at the version of OPENSSL_CONF.
TLS_PARAMS = ENV['COMPAT_TLS'] == '1.2' ? { max_version: OpenSSL::SSL::TLS1_2_VERSION } : {}.freeze
SCHEME = TLS ? 'rediss' : 'redis'
LIMIT = 20 # seconds that one check may take

# Has everything of Pinion replaced under the connections that are open now, where TLS is spoken; once.
def replaced
  return if !TLS || @replaced

  @replaced = true
  puts 'waits'
  $stdin.gets
end

def check(name)
  Timeout.timeout(LIMIT) { yield }
  puts "ok #{name}"
  replaced
  true
rescue StandardError, ScriptError, Timeout::Error => e
  puts "FAIL #{name}: #{e.class}: #{e.message.split.join(' ')[0, 400]}"
  false
end

def equal(got, want)
  raise "got #{got.inspect}, want #{want.inspect}" unless got == want
end

def wait_until(seconds = 10)
  (seconds * 50).times do
    return if yield
    sleep 0.02
  end
  raise 'what is waited for has not come'
end

def done
  puts 'done'
  exit! 0 # threads of libraries do not matter
end
