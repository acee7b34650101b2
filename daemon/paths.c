/*
 * Finds the daemon's places and makes their folders. main asks where an option was not given.
 */
#include "paths.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/address.h"

#define FOLDER_MODE 0700

/* All but what follows its last slash. */
int paths_make_folders(char *path, struct evd_error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        bool failed;

        *slash = '\0';
        failed = mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST;
        if (failed)
            error_set(err, EVD_E_STORE, path,
                      "cannot make the folder %s: %s; name a file with --database", path,
                      strerror(errno));
        *slash = '/';
        if (failed)
            return err->code;
    }
    return EVD_OK;
}

int paths_database(char *path, size_t size, struct evd_error *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n;

    if (state && state[0] == '/')
        n = snprintf(path, size, "%s/evendraw/evendraw.db", state);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/.local/state/evendraw/evendraw.db", home);
    else
        return error_set(err, EVD_E_USAGE, "",
                         "neither XDG_STATE_HOME nor HOME is set; name a file with --database");
    if ((size_t)n >= size)
        return error_set(err, EVD_E_USAGE, "",
                         "the path of the home folder is too long; name a file with --database");
    return EVD_OK;
}

int paths_address(char *address, size_t size, struct evd_error *err)
{
    static const char prefix[] = "unix:/tmp/";
    char folder[128];
    struct stat file;
    char *slash;

    address_default(address, size);
    if (strncmp(address, prefix, sizeof(prefix) - 1) != 0)
        return EVD_OK;
    snprintf(folder, sizeof(folder), "%s", address + strlen("unix:"));
    slash = strrchr(folder, '/');
    if (slash == folder + strlen("/tmp"))
        return EVD_OK;
    *slash = '\0';
    if (mkdir(folder, FOLDER_MODE) < 0 && errno != EEXIST)
        return error_set(err, EVD_E_CONNECT, folder, "cannot make the folder %s: %s", folder,
                         strerror(errno));
    /* /tmp is everybody's: a folder that was there before may be a trap. */
    if (lstat(folder, &file) < 0 || !S_ISDIR(file.st_mode) || file.st_uid != geteuid())
        return error_set(err, EVD_E_CONNECT, folder,
                         "%s is not a folder of this user; name another address with --listen",
                         folder);
    if ((file.st_mode & 077) != 0)
        return error_set(err, EVD_E_CONNECT, folder,
                         "other users can enter the folder %s: chmod 700 it, or name another "
                         "address with --listen",
                         folder);
    return EVD_OK;
}
