# fetch.rb HOST PORT MODE CA USER PASSWORD FOLDER DELETE: writes each message of the maildrop to FOLDER/<its number>, and
# deletes it where DELETE is 1.
require "net/pop"

host, port, mode, ca, user, password, folder, delete = ARGV
pop = Net::POP3.new(host, port.to_i)
pop.enable_ssl(verify_mode: OpenSSL::SSL::VERIFY_PEER, ca_file: ca) if mode == "implicit"
pop.start(user, password) do
  pop.each_mail do |mail|
    File.binwrite("#{folder}/#{mail.number}", mail.pop)
    mail.delete if delete == "1"
  end
end
