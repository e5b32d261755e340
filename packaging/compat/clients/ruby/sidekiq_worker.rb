# The jobs that sidekiq_jobs.rb sends, and sidekiq does. What was done is left in Redis.

require 'sidekiq'

Sidekiq.configure_server { |config| config.redis = { url: ENV.fetch('COMPAT_URL') } }
Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch('COMPAT_URL') } }

class Work
  include Sidekiq::Worker

  def perform(name)
    Sidekiq.redis { |r| r.hincrby('compat:done', name, 1) }
  end
end

class FailsOnce
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 1 }

  def perform(name)
    tries = Sidekiq.redis { |r| r.hincrby('compat:tries', name, 1) }
    raise 'as intended' if tries == 1

    Sidekiq.redis { |r| r.hincrby('compat:done', name, 1) }
  end
end
