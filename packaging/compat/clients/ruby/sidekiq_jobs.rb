# Sidekiq: jobs are pushed, a process of its own does them.

require 'sidekiq'
require 'sidekiq/api'
require_relative 'check'
ENV['COMPAT_URL'] = "#{SCHEME}://#{HOST}:#{PORT}/0"
require_relative 'sidekiq_worker'

puts "version #{Sidekiq::VERSION}"
worked = ->(name) { Sidekiq.redis { |r| r.hget('compat:done', name) }.to_i }

check('push') { equal Work.perform_async('one').size, 24 }
check('the queue') { equal Sidekiq::Queue.new.size, 1 }
check('a scheduled job') do
  Work.perform_in(2, 'later')
  equal Sidekiq::ScheduledSet.new.size, 1
end
process = Process.spawn('sidekiq', '-r', File.join(__dir__, 'sidekiq_worker.rb'), '-c', '2', '-q', 'default')
check('a job is done') { wait_until(15) { worked.call('one') == 1 } }
check('a bulk of jobs') do
  Sidekiq::Client.push_bulk('class' => Work, 'args' => Array.new(100) { ['bulk'] })
  wait_until { worked.call('bulk') == 100 }
end
check('the scheduled job is done') { wait_until(18) { worked.call('later') == 1 } }
check('a job that fails is tried again') do
  FailsOnce.perform_async('again')
  wait_until(8) { Sidekiq::RetrySet.new.size == 1 || worked.call('again') == 1 }
  Sidekiq::RetrySet.new.each(&:retry)
  wait_until { worked.call('again') == 1 }
end
check('statistics') do
  stats = Sidekiq::Stats.new
  wait_until { Sidekiq::Stats.new.processed >= 102 }
  equal stats.enqueued, 0
  equal Sidekiq::Stats::History.new(1).processed.size, 1
end
check('processes') { wait_until { Sidekiq::ProcessSet.new.size == 1 } }
check('redis_info') { equal Sidekiq.redis_info.key?('redis_version'), true }
check('stop') do
  Process.kill('TERM', process)
  Process.wait(process)
end
check('a job left in the queue is cleared') do
  Work.perform_async('left')
  equal Sidekiq::Queue.new.size, 1
  Sidekiq::Queue.new.clear
  equal Sidekiq::Queue.new.size, 0
end
begin
  Process.kill('KILL', process)
rescue Errno::ESRCH
  nil
end
done
