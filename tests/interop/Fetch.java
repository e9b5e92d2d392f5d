import jakarta.mail.Flags;
import jakarta.mail.Folder;
import jakarta.mail.Message;
import jakarta.mail.Session;
import jakarta.mail.Store;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * HOST PORT MODE CA USER PASSWORD FOLDER DELETE: writes each message of the maildrop to FOLDER/its number, and deletes it where
 * DELETE is 1.
 */
public class Fetch {
    public static void main(String[] words) throws Exception {
        boolean implicit = words[2].equals("implicit");
        String scheme = implicit ? "pop3s" : "pop3";
        String prefix = "mail." + scheme + ".";
        Properties settings = new Properties();
        settings.put(prefix + "ssl.socketFactory", trusting(words[3]).getSocketFactory());
        settings.put(prefix + "ssl.checkserveridentity", "true");
        settings.put(prefix + "starttls.enable", String.valueOf(words[2].equals("stls")));
        settings.put(prefix + "starttls.required", String.valueOf(words[2].equals("stls")));
        try (Store store = Session.getInstance(settings).getStore(scheme)) {
            store.connect(words[0], Integer.parseInt(words[1]), words[4], words[5]);
            Folder inbox = store.getFolder("INBOX");
            inbox.open(Folder.READ_WRITE);
            for (Message message : inbox.getMessages()) {
                try (OutputStream file = Files.newOutputStream(Path.of(words[6], "" + message.getMessageNumber()))) {
                    message.writeTo(file);
                }
                message.setFlag(Flags.Flag.DELETED, words[7].equals("1"));
            }
            inbox.close(true);
        }
    }

    private static SSLContext trusting(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var stream = Files.newInputStream(Path.of(file))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(stream));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
