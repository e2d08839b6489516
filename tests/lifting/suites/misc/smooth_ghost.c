void smooth(int dim, double a, double b, double h2inv, const double *rhs, const double *phi, double *out) {
  int pencil = dim + 2;
  int plane = pencil * pencil;
  for (int k = 0; k < dim; k++)
    for (int j = 0; j < dim; j++)
      for (int i = 0; i < dim; i++) {
        int ijk = (i + 1) + (j + 1) * pencil + (k + 1) * plane;
        double helm = a * phi[ijk] - b * h2inv * (phi[ijk + 1] + phi[ijk - 1] + phi[ijk + pencil] + phi[ijk - pencil] + phi[ijk + plane] + phi[ijk - plane] - 6.0 * phi[ijk]);
        out[ijk] = phi[ijk] - 0.5 * (helm - rhs[ijk]);
      }
}
