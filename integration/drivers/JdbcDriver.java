// SPDX-License-Identifier: PostgreSQL
// pgjdbc: the argument is a jdbc:postgresql:// URL; prints what the application sees.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class JdbcDriver {
    static String url;

    static void say(Object... words) {
        System.out.println(Arrays.toString(words));
    }

    interface Action {
        void run() throws Exception;
    }

    static void sayError(Action action) throws Exception {
        try {
            action.run();
            say("no error");
        } catch (SQLException error) {
            say(error.getSQLState(), error.getMessage());
        }
    }

    static void sayRows(ResultSet rows) throws SQLException {
        int columns = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i <= columns; ++i) line.append(rows.getString(i)).append(' ');
            say(line.toString().trim());
        }
        rows.close();
    }

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        for (int i = 0; i < options.length; i += 2) properties.setProperty(options[i], options[i + 1]);
        return DriverManager.getConnection(url, properties);
    }

    static void statements(String... options) throws Exception {
        say("statements", Arrays.toString(options));
        try (Connection connection = connect(options)) {
            DatabaseMetaData data = connection.getMetaData();
            say(data.getDatabaseMajorVersion(), connection.getTransactionIsolation());
            sayRows(data.getColumns(null, "public", "numbers", null));
            sayRows(connection.createStatement().executeQuery("select 1, 'two', null"));
            // From the fifth execution on the driver prepares it by name.
            try (PreparedStatement query = connection.prepareStatement("select ?::int * 2, ?::text")) {
                for (int i = 0; i < 12; ++i) {
                    query.setInt(1, i);
                    query.setString(2, "text " + i);
                    sayRows(query.executeQuery());
                }
            }
            sayError(() -> connection.createStatement().executeQuery("select 1/0"));
            sayError(() -> connection.createStatement().executeQuery("select * from no_such_table"));
            Statement several = connection.createStatement();
            boolean hasRows = several.execute("select 1; select 2; select 3");
            int results = 0;
            while (hasRows) {
                ++results;
                hasRows = several.getMoreResults();
            }
            say("results", results);
            connection.createStatement().execute("do $$ begin raise notice 'noted'; end $$");
        }
    }

    static void transactions() throws Exception {
        say("transactions");
        try (Connection connection = connect("prepareThreshold", "2")) {
            connection.createStatement().execute("create table jdbc_table (a int primary key, b text)");
            connection.setAutoCommit(false);
            try (PreparedStatement insert = connection.prepareStatement("insert into jdbc_table values (?, ?)")) {
                for (int i = 0; i < 200; ++i) {
                    insert.setInt(1, i);
                    insert.setString(2, "row " + i);
                    insert.addBatch();
                }
                say("batch", insert.executeBatch().length);
                connection.commit();
                Savepoint savepoint = connection.setSavepoint();
                insert.setInt(1, 300);
                insert.setString(2, "new");
                insert.addBatch();
                insert.setInt(1, 1);
                insert.addBatch();
                try {
                    insert.executeBatch();
                } catch (BatchUpdateException error) {
                    say(error.getSQLState());
                }
                sayError(() -> connection.createStatement().executeQuery("select 1"));
                connection.rollback(savepoint);
            }
            // A cursor that is read in portions: portals that outlive their Sync.
            try (PreparedStatement query = connection.prepareStatement("select a from jdbc_table order by a")) {
                query.setFetchSize(17);
                long total = 0;
                ResultSet rows = query.executeQuery();
                while (rows.next()) total += rows.getLong(1);
                say("cursor", total);
            }
            connection.commit();
            connection.setAutoCommit(true);
            CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
            say("copy in", copy.copyIn("copy jdbc_table from stdin", new StringReader("1000\tx\n1001\ty\n")));
            StringWriter out = new StringWriter();
            say("copy out", copy.copyOut("copy (select * from jdbc_table where a >= 1000) to stdout", out), out);
            PreparedStatement keys = connection.prepareStatement(
                    "insert into jdbc_table values (2000, 'key')", Statement.RETURN_GENERATED_KEYS);
            keys.executeUpdate();
            sayRows(keys.getGeneratedKeys());
            connection.createStatement().execute("drop table jdbc_table");
            connection.setReadOnly(true);
            connection.setAutoCommit(false);
            sayError(() -> connection.createStatement().execute("create table refused ()"));
            connection.rollback();
        }
    }

    static void cancel() throws Exception {
        say("cancel");
        try (Connection connection = connect()) {
            Statement statement = connection.createStatement();
            statement.setQueryTimeout(1);
            sayError(() -> statement.execute("select pg_sleep(600)"));
            sayRows(connection.createStatement().executeQuery("select 'alive'"));
        }
    }

    static void manyConnections() throws Exception {
        say("many connections");
        long[] totals = new long[8];
        Thread[] threads = new Thread[totals.length];
        for (int t = 0; t < threads.length; ++t) {
            final int index = t;
            threads[t] = new Thread(() -> {
                try (Connection connection = connect("prepareThreshold", "2")) {
                    PreparedStatement query = connection.prepareStatement("select ?::int");
                    for (int i = 0; i < 40; ++i) {
                        query.setInt(1, index * 1000 + i);
                        ResultSet rows = query.executeQuery();
                        rows.next();
                        totals[index] += rows.getInt(1);
                        connection.setAutoCommit(i % 2 == 0);
                    }
                    connection.setAutoCommit(true);
                } catch (SQLException error) {
                    error.printStackTrace();
                }
            });
            threads[t].start();
        }
        for (Thread thread : threads) thread.join();
        say(Arrays.toString(totals));
    }

    public static void main(String[] words) throws Exception {
        url = words[0];
        statements();
        statements("preferQueryMode", "simple");
        statements("preferQueryMode", "extendedForPrepared", "binaryTransfer", "true");
        statements("prepareThreshold", "-1");
        transactions();
        cancel();
        manyConnections();
    }
}
